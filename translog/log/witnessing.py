"""Which witnesses a log asks, and what it does without them: DIR/policy and DIR/witnessing.toml.

A log without DIR/policy asks nobody. The policy is a tlog-policy (docs/formats/policy.md), the same
that readers of the log may use; the other file is for what such a policy cannot say, and may be
left out. What is misspelt in it is refused.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from translog.errors import MalformedError, MissingError
from translog.formats import mldsa
from translog.formats.cosignature import ML_DSA_44, Cosigner
from translog.formats.note import Verifier
from translog.formats.policy import MAX_POLICY_BYTES, Policy, parse_policy
from translog.formats.strict import shown
from translog.store import files

POLICY = "policy"
FILE = "witnessing.toml"
DEADLINE = "5s"
MAX_DEADLINE_SECONDS = 60

WithoutQuorum = Literal["hold", "publish"]

_SECONDS = re.compile(r"([1-9][0-9]{0,5})(ms|s)", re.ASCII)
_MEMBERS = ("without_quorum", "deadline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the heads of a log are cosigned.

    Attributes:
        policy: whose witnesses are asked, and how many are enough to show a head.
        without_quorum: "hold" a head that too few have cosigned, or "publish" it.
        deadline_seconds: how long a round waits for witnesses.
    """

    policy: Policy
    without_quorum: WithoutQuorum = "hold"
    deadline_seconds: float = 5.0

    @property
    def urls(self) -> dict[str, tuple[Cosigner, ...]]:
        """The witnesses that can be asked, each with all its keys that are listed."""
        keys: dict[str, tuple[Cosigner, ...]] = {}
        for witness in self.policy.witnesses:
            if witness.url is not None:
                url = witness.url.rstrip("/")
                keys[url] = (*keys.get(url, ()), witness.key)
        return keys


def read_settings(folder: Path, own: Verifier) -> Settings | None:
    """Return how the heads of the log in `folder` are cosigned; None if they are not.

    Args:
        own: the log's key.

    Raises:
        MalformedError: a file is not what it should be; or no quorum can ever be had.
        UnavailableError: it cannot be read; or ML-DSA-44 is wanted and not installed.
    """
    path = folder / POLICY
    try:
        raw = files.read(path, limit=MAX_POLICY_BYTES)
    except MissingError:
        if (folder / FILE).exists():
            raise MalformedError(f"{folder / FILE} is there, and no {path}: want both") from None
        return None
    try:
        policy = parse_policy(raw)
        settings = Settings(policy=policy, **_read_file(folder / FILE))
        _check(settings, own)
    except MalformedError as error:
        raise type(error)(f"{path}: {error}") from error
    return settings


def _check(settings: Settings, own: Verifier) -> None:
    policy = settings.policy
    if policy.logs and own not in policy.keys_of(own.name):
        raise MalformedError(f"lists logs, and none with the key {own.vkey}: this log's own")
    reachable = [key for keys in settings.urls.values() for key in keys]
    if not policy.is_met(reachable):
        silent = [shown(witness.name) for witness in policy.witnesses if witness.url is None]
        raise MalformedError(
            f"quorum {shown(policy.quorum)} needs witnesses that have no URL here:"
            f" {', '.join(silent)}"
        )
    if any(key.key_type == ML_DSA_44 for key in reachable):
        mldsa.require()


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = files.read(path)
    except MissingError:
        return {}
    try:
        return parse(raw)
    except MalformedError as error:
        raise type(error)(f"{path}: {error}") from error


def parse(raw: bytes) -> dict[str, Any]:
    """Read what DIR/witnessing.toml says: members of `Settings`.

    Raises:
        MalformedError: it is not TOML, or a member is unknown or not of its kind.
    """
    try:
        value = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"not TOML: {str(error)[:200]}") from error
    unknown = sorted(value.keys() - set(_MEMBERS))
    if unknown:
        raise MalformedError(f"unknown members {shown(unknown)}, want {', '.join(_MEMBERS)}")
    return {
        "without_quorum": _choice(value),
        "deadline_seconds": _seconds(value.get("deadline", DEADLINE)),
    }


def _choice(value: Mapping[str, Any]) -> WithoutQuorum:
    found = value.get("without_quorum", "hold")
    if found not in ("hold", "publish"):
        raise MalformedError(f"without_quorum is {shown(found)}, want hold or publish")
    choice: WithoutQuorum = found
    return choice


def _seconds(text: object) -> float:
    match = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    seconds = int(match[1]) * {"ms": 0.001, "s": 1.0}[match[2]] if match else 0.0
    if not 0.0 < seconds <= MAX_DEADLINE_SECONDS:
        raise MalformedError(
            f"deadline is {shown(text)}, want one like 500ms or 5s, at most {MAX_DEADLINE_SECONDS}s"
        )
    return seconds
