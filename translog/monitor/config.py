"""What a monitor is told to do: a file in TOML, read strictly. docs/formats/monitor.md.

What is misspelt is refused: an option that is silently ignored is a check that nobody makes.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translog.errors import MalformedError, TranslogError
from translog.formats import mldsa
from translog.formats.cosignature import ML_DSA_44, Cosigner
from translog.formats.policy import MAX_POLICY_BYTES, Policy, parse_log_key, parse_policy
from translog.formats.strict import shown
from translog.pith.record import parse_pith_number
from translog.store import files
from translog.verify.monitor_events import Watch

MAX_CONFIG_BYTES = 4 << 20  # a thousand logs, each with some places
MAX_LOGS = 10_000
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_LISTEN = re.compile(r"(127\.[0-9.]{5,11}|[0-9A-Za-z.-]{1,253}):([0-9]{1,5})")
_URL = re.compile(r"https?://[^\s]{1,2000}")
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    str: "a string",
    list: "an array",
    dict: "a table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """A log that is followed.

    Attributes:
        origin: its name.
        policy: its keys, and the witnesses of its heads.
        place: its URL, or a directory of its files.
        witnesses: monitoring prefixes of witnesses.
        mirrors: URLs or directories where the log is published too.
        exchange: URLs or directories where other monitors show the heads that they have seen.
        continues: the origin of the log whose shard this is the next of, or None.
        watch: what is to be told of its entries.
        frozen_after_seconds, patience_seconds, check_every_seconds: as in `verify.monitor.Log`.
    """

    origin: str
    policy: Policy
    place: str
    witnesses: tuple[str, ...]
    mirrors: tuple[str, ...]
    exchange: tuple[str, ...]
    continues: str | None
    watch: Watch
    frozen_after_seconds: int
    patience_seconds: int
    check_every_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it.

    Attributes:
        database: where the monitor keeps what it knows.
        interval_seconds: from one turn of a log to the next.
        listen: host and port for metrics and seen heads, or None.
        evidence: a directory for files of evidence, or None.
        seen: a directory to show seen heads in, or None.
        stdout: whether alerts are printed.
        command: a program that gets each alert, or None.
        webhook: a URL that alerts are sent to, or None.
        webhook_key: the file of the private key that signs them.
    """

    database: Path
    interval_seconds: int
    listen: tuple[str, int] | None
    evidence: Path | None
    seen: Path | None
    stdout: bool
    command: tuple[str, ...] | None
    webhook: str | None
    webhook_key: Path | None
    logs: tuple[LogConfig, ...]


def read_config(path: Path) -> Config:
    """Read a configuration. Files that it names are looked for beside it.

    Raises:
        MissingError: there is no such file.
        MalformedError: it is not one; the message says where.
        UnavailableError: a key is of ML-DSA-44, and that is not installed.
    """
    raw = files.read(path, limit=MAX_CONFIG_BYTES)
    try:
        value = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedError(f"{path}: {error}") from error
    try:
        return _config(value, path.parent)
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}") from error


def _config(value: dict[str, Any], folder: Path) -> Config:
    top = _Table(value, "configuration")
    database = top.read("database", lambda text: folder / text)
    alerts = _Table(top.take("alerts", dict, {}), "alerts")
    logs = tuple(
        _log(table, number, folder) for number, table in enumerate(top.tables("log"), start=1)
    )
    _check_families(logs)
    webhook = alerts.optional("webhook", _url)
    webhook_key = alerts.optional("webhook_key", lambda text: folder / text)
    if (webhook is None) != (webhook_key is None):
        raise MalformedError("alerts: webhook and webhook_key go together")
    config = Config(
        database=database,
        interval_seconds=top.seconds("interval_seconds", 60),
        listen=top.optional("listen", _listen),
        evidence=top.optional("evidence", lambda text: folder / text),
        seen=top.optional("seen", lambda text: folder / text),
        stdout=alerts.take("stdout", bool, True),
        command=alerts.texts("command") or None,
        webhook=webhook,
        webhook_key=webhook_key,
        logs=logs,
    )
    alerts.done()
    top.done()
    return config


def _log(value: Any, number: int, folder: Path) -> LogConfig:
    table = _Table(value, f"log {number}")
    policy, origin = _policy(table, folder)
    watch = _Table(table.take("watch", dict, {}), f"log {number}: watch")
    config = LogConfig(
        origin=origin,
        policy=policy,
        place=table.read("url", lambda text: _place(text, folder)),
        witnesses=table.texts("witnesses", _url),
        mirrors=table.texts("mirrors", lambda text: _place(text, folder)),
        exchange=table.texts("exchange", lambda text: _place(text, folder)),
        continues=table.optional("continues", str),
        watch=Watch(
            records=frozenset(watch.texts("records", _pith_number)),
            aliases=frozenset(watch.texts("aliases")),
            keys=frozenset(watch.texts("keys", _fingerprint)),
            types=frozenset(watch.texts("types")),
        ),
        frozen_after_seconds=table.seconds("frozen_after_seconds", 86_400),
        patience_seconds=table.seconds("patience_seconds", 3_600, least=0),
        check_every_seconds=table.seconds("check_every_seconds", 3_600, least=0),
    )
    watch.done()
    table.done()
    return config


def _policy(table: "_Table", folder: Path) -> tuple[Policy, str]:
    """Return the policy of a log, and which of its logs is followed."""
    file = table.optional("policy", lambda text: folder / text)
    keys = table.texts("keys", parse_log_key)
    if file is not None:
        try:
            policy = parse_policy(files.read(file, limit=MAX_POLICY_BYTES))
        except TranslogError as error:
            raise MalformedError(f"{table.name}: policy {file}: {error}") from error
    else:
        policy = Policy()
    policy = policy.trusting([*(log.key for log in policy.logs), *keys])
    members = [*(log.key for log in policy.logs), *(each.key for each in policy.witnesses)]
    if any(isinstance(key, Cosigner) and key.key_type == ML_DSA_44 for key in members):
        mldsa.require()  # here, and not as a fault of the first log that uses it
    origins = sorted({log.origin for log in policy.logs})
    origin = table.optional("origin", str)
    if origin is None and len(origins) == 1:
        origin = origins[0]
    if not origins:
        raise MalformedError(
            f"{table.name}: whose log it is nobody says: want keys, or a policy with a log line"
        )
    if origin is None or origin not in origins:
        raise MalformedError(
            f"{table.name}: its policy and keys are of {shown(origins)}, and origin is "
            f"{shown(origin)}: want one of them"
        )
    return policy, origin


def _check_families(logs: tuple[LogConfig, ...]) -> None:
    if not 1 <= len(logs) <= MAX_LOGS:
        raise MalformedError(f"{len(logs)} logs are to be followed, want 1 to {MAX_LOGS}")
    seen: set[str] = set()
    for log in logs:
        if log.origin in seen:
            raise MalformedError(f"log {log.origin!r} is there twice")
        if log.continues is not None and log.continues not in seen:
            raise MalformedError(
                f"log {log.origin!r} continues {shown(log.continues)}, which is no log above it"
            )
        seen.add(log.origin)


class _Table:
    """A table, of which every member must be taken."""

    def __init__(self, value: Any, name: str) -> None:
        if type(value) is not dict:
            raise MalformedError(f"{name} is {shown(value)}, want a table")
        self._rest = dict(value)
        self.name = name

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        value = self._rest.pop(name, default)
        if value is None:
            raise MalformedError(f"{self.name} has no {name}{self._strange()}")
        if type(value) is not kind:
            raise MalformedError(f"{self.name}: {name} is {shown(value)}, want {_WORDS[kind]}")
        return value

    def read(self, name: str, read: Callable[[str], Any]) -> Any:
        return self._read(name, self.take(name, str), read)

    def optional(self, name: str, read: Callable[[str], Any]) -> Any:
        return self.read(name, read) if name in self._rest else None

    def texts(self, name: str, read: Callable[[str], Any] = str) -> tuple[Any, ...]:
        values = self.take(name, list, [])
        for value in values:
            if type(value) is not str or not value:
                raise MalformedError(f"{self.name}: {name} has {shown(value)}, want strings")
        return tuple(self._read(name, value, read) for value in values)

    def tables(self, name: str) -> list[Any]:
        tables: list[Any] = self.take(name, list, [])
        return tables

    def seconds(self, name: str, default: int, *, least: int = 1) -> int:
        value: int = self.take(name, int, default)
        if not least <= value <= 10**9:
            raise MalformedError(f"{self.name}: {name} is {value}, want at least {least}")
        return value

    def done(self) -> None:
        """Refuse what nobody has taken."""
        if self._rest:
            raise MalformedError(f"{self.name}: {shown(sorted(self._rest)[0])} means nothing here")

    def _strange(self) -> str:
        """Name what a missing member may have been misspelt as."""
        return f"; there is {', '.join(map(shown, sorted(self._rest)[:8]))}" if self._rest else ""

    def _read(self, name: str, value: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(value)
        except MalformedError as error:
            raise MalformedError(f"{self.name}: {name}: {error}") from error


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise MalformedError(f"URL is {shown(text)}, want http(s)://…")
    return text.rstrip("/")


def _place(text: str, folder: Path) -> str:
    return _url(text) if "://" in text else str(folder / text)


def _listen(text: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise MalformedError(f"address is {shown(text)}, want one like 127.0.0.1:9464")
    return match[1], int(match[2])


def _pith_number(text: str) -> str:
    parse_pith_number(text)
    return text


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.fullmatch(text):
        raise MalformedError(f"fingerprint is {shown(text)}, want 32 digits of hex")
    return text


def families(logs: tuple[LogConfig, ...]) -> Mapping[str, str]:
    """Return the first log of the line that each one continues, which may be itself."""
    first: dict[str, str] = {}
    for log in logs:
        first[log.origin] = log.origin if log.continues is None else first[log.continues]
    return first
