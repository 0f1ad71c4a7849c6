"""Public keys on the command line: a key is named, pinned, spelled out or in a file. Never guessed.

One spelling for all commands: a vkey (name+id+key), the name of a key that comes with translog
and is chosen by writing it, 64 digits of hex, or a file that holds a vkey, a key in JSON, or what
`translog keys show` has printed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from translog.cli.params import Parsed
from translog.errors import MalformedError, TranslogError
from translog.formats import canonical
from translog.formats.keys import check_public_key
from translog.formats.note import Verifier
from translog.formats.policy import MAX_POLICY_BYTES, LogKey, Policy, parse_log_key, parse_policy
from translog.pith.key import PINNED, PithKey, fingerprint_hex
from translog.store import files
from translog.verify.findings import Trust

MAX_KEY_FILE_BYTES = 64 << 10
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that was named on the command line.

    Attributes:
        public_key: 32 bytes; those of ML-DSA-44, where a vkey of that type was given.
        name: what to call it.
        verifier: where a vkey was given: the key of this log.
        pith: where more is known: what its owner says about it.
    """

    public_key: bytes
    name: str
    verifier: LogKey | None = None
    pith: PithKey | None = None

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read a key from an argument, which may name a file.

        Raises:
            MalformedError: it is none, or the file holds none, or there is no such file.
        """
        if text in PINNED:
            return cls(public_key=PINNED[text].public_key, name=text, pith=PINNED[text])
        if Path(text).is_file():
            try:
                content = files.read(Path(text), limit=MAX_KEY_FILE_BYTES)
                return cls._read(content.decode().strip())
            except (TranslogError, UnicodeDecodeError) as error:
                raise MalformedError(f"file {text}: {error}") from error
        if "+" in text or _HEX.fullmatch(text):
            return cls._read(text)
        pinned = ", ".join(PINNED)
        raise MalformedError(
            f"key is {text[:80]!r}, want a vkey, 64 digits of hex, a pinned name ({pinned})"
            " or a file that is there"
        )

    @classmethod
    def _read(cls, text: str) -> "PublicKey":
        key = cls._read_form(text)
        if key.verifier is None:
            check_public_key(key.public_key)
        return key

    @classmethod
    def _read_form(cls, text: str) -> "PublicKey":
        if text.startswith("PRIVATE+KEY+"):
            raise MalformedError("it is a private key: `translog keys show` gives the public one")
        text = _shown(text)
        if text.startswith("{"):
            key = PithKey.from_json(canonical.parse(text.encode(), limit=MAX_KEY_FILE_BYTES))
            return cls(public_key=key.public_key, name=key.key_id, pith=key)
        if "\n" in text:
            lines = text.count("\n") + 1
            raise MalformedError(f"has {lines} lines, want one key: a file for each")
        if _HEX.fullmatch(text):
            public_key = bytes.fromhex(text)
            return cls(public_key=public_key, name=f"key {fingerprint_hex(public_key)}")
        verifier = parse_log_key(text)
        return cls(public_key=verifier.public_key, name=verifier.name, verifier=verifier)

    def as_pith(self) -> PithKey:
        """Return the key as a registry keeps it: without more knowledge, by its fingerprint.

        Raises:
            MalformedError: it is no Ed25519 key, and signs no events.
        """
        check_public_key(self.public_key)
        return self.pith or PithKey(
            key_id=self.verifier.name if self.verifier else fingerprint_hex(self.public_key),
            public_key=self.public_key,
            signer_id=None,
            rotates_at=None,
            url="",
            notes="",
        )


def _shown(text: str) -> str:
    """Return the vkey in what `keys show` has printed, with or without --json; other text as it is.

    Its owner signs with that one; further keys of a log only sign heads beside it.
    """
    if text.startswith("{"):
        value = canonical.parse(text.encode(), limit=MAX_KEY_FILE_BYTES)
        vkey = value.get("vkey") if type(value) is dict else None
        return vkey if type(vkey) is str else text
    first, *more = text.splitlines() or [""]
    if not re.match(r"Name  +\S", first):
        return text
    vkeys = [line.removeprefix("Key ").strip() for line in more if line.startswith("Key ")]
    return vkeys[0] if vkeys else text


def _log_key(text: str) -> LogKey:
    key = PublicKey.parse(text)
    if key.verifier is None:
        raise MalformedError(f"key {text[:80]!r} is not that of a log, want a vkey: name+id+key")
    return key.verifier


def _policy(text: str) -> Policy:
    try:
        return parse_policy(files.read(Path(text), limit=MAX_POLICY_BYTES))
    except TranslogError as error:
        raise MalformedError(f"file {text}: {error}") from error


def trusted(keys: Iterable[PublicKey], policy: Policy | None) -> Trust:
    """Return whom a command line trusts: the keys it names, and what its policy says."""
    keys = list(keys)
    logs = trusted_logs((key.verifier for key in keys if key.verifier is not None), policy)
    own = {log.key.public_key: log.key.name for log in logs.logs if isinstance(log.key, Verifier)}
    return Trust(keys={**own, **{key.public_key: key.name for key in keys}}, policy=logs)


def trusted_logs(keys: Iterable[LogKey], policy: Policy | None) -> Policy:
    """Return the policy for the logs it lists, and for those named beside it.

    All of them need the same quorum: who names a key and a policy means both.
    """
    policy = policy or Policy()
    listed = [log.key for log in policy.logs]
    return policy.trusting([*listed, *(key for key in keys if key not in listed)])


KEY = Parsed("key", PublicKey.parse)
LOG_KEY = Parsed("vkey", _log_key)
POLICY = Parsed("policy", _policy)
