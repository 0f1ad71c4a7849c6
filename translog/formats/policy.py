"""Trust policies: c2sp.org/tlog-policy. Which logs, which witnesses, and how many of them.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>…
    quorum <name>|none

One idea: a policy is read into lines that refer backward only, so it is judged by going through
them once, in order. Names are octets, and mean nothing outside of the file.

Stricter than the specification in one point that it leaves open: the *key name* in a vkey says
who the witness is. Two witness lines with one key name, such as an Ed25519 and an ML-DSA-44 key
of one witness, count once towards a threshold, and stand in one group. docs/formats/policy.md.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from translog.errors import MalformedError, TooLargeError
from translog.formats import keys
from translog.formats.cosignature import ED25519, ML_DSA_44, Cosigner
from translog.formats.note import Verifier, Vkey
from translog.formats.strict import parse_decimal, shown

MAX_POLICY_BYTES = 1_000_000
MAX_LINES = 10_000
NONE = "none"
BLANKS = b" \t"
ITEM_BREAK = re.compile(rb"[ \t]+")
FORBIDDEN = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")

LogKey = Verifier | Cosigner
"""A key that may sign a log's heads: of type 0x01, or a `Cosigner` of type 0x06."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log line: one key of one log. The key's name is the log's origin."""

    key: LogKey
    url: str | None = None

    @property
    def origin(self) -> str:
        return self.key.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A witness line: one key of one witness.

    Attributes:
        name: in this file.
        key: whose own name says which witness it is.
        url: the submission prefix of c2sp.org/tlog-witness.
    """

    name: str
    key: Cosigner
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group line.

    Attributes:
        threshold: how many members must have witnessed; from 1 to as many as there are.
        members: names of witnesses and groups on earlier lines.
    """

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What somebody believes. Only `parse_policy` makes one, and `trusting` of one another.

    Attributes:
        logs: in the order of their lines, as all of these.
        quorum: the name of a witness or a group; None asks for no witnesses.
    """

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str | None = None

    def trusting(self, logs: Iterable[LogKey]) -> "Policy":
        """Return this policy for other logs: where the log is known from elsewhere."""
        return replace(self, logs=tuple(Log(key=key) for key in logs))

    def keys_of(self, origin: str) -> tuple[LogKey, ...]:
        """Return the keys that may sign for a log; none if it is not listed."""
        return tuple(log.key for log in self.logs if log.origin == origin)

    def is_met(self, signed: Collection[Cosigner]) -> bool:
        """Tell whether cosignatures by these keys, all verified, are a quorum."""
        if self.quorum is None:
            return True
        met = {witness.name for witness in self.witnesses if witness.key in signed}
        # Names here have no spaces, so no group is taken for a key.
        who = {witness.name: f"key {witness.key.name}" for witness in self.witnesses}
        for group in self.groups:
            there = [member for member in group.members if member in met]
            # A witness with two keys counts once. Where a threshold asks for more than there are
            # different members, it is all of those, with as many keys as it says.
            once = len({who.get(member, member) for member in there})
            different = len({who.get(member, member) for member in group.members})
            if len(there) >= group.threshold and once >= min(group.threshold, different):
                met.add(group.name)
        return self.quorum in met


def parse_policy(raw: bytes) -> Policy:
    """Read a policy file.

    Raises:
        MalformedError: any breach of the specification; the message says in which line.
    """
    reading = _read(raw)
    if not reading.quorum:
        raise MalformedError("policy has no quorum line, want one; `quorum none` asks for none")
    return Policy(
        logs=tuple(reading.logs),
        witnesses=tuple(reading.witnesses.values()),
        groups=tuple(reading.groups.values()),
        quorum=reading.quorum[0],
    )


def parse_logs(raw: bytes) -> tuple[Log, ...]:
    """Read the log lines of a policy, or of a list that needs no more than those.

    Raises:
        MalformedError: as `parse_policy`; a missing quorum line is none.
    """
    return tuple(_read(raw).logs)


def _read(raw: bytes) -> "_Reading":
    if len(raw) > MAX_POLICY_BYTES:
        raise TooLargeError(f"policy has {len(raw)} bytes, want at most {MAX_POLICY_BYTES}")
    if raw and not raw.endswith(b"\n"):
        # A file that was cut short could ask for less: "quorum all-of-us" to "quorum all".
        raise MalformedError("policy: last line does not end in a newline; is the file whole?")
    lines = raw.split(b"\n")[:-1]
    if len(lines) > MAX_LINES:
        raise TooLargeError(f"policy has {len(lines)} lines, want at most {MAX_LINES}")
    reading = _Reading()
    for number, line in enumerate(lines, 1):
        try:
            _read_line(reading, line)
        except MalformedError as error:
            raise type(error)(f"policy, line {number}: {error}") from error
    return reading


@dataclass(slots=True)
class _Reading:
    """What the lines so far have said."""

    logs: list[Log] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    log_keys: dict[bytes, str] = field(default_factory=dict)  # public key: origin
    witness_keys: dict[bytes, str] = field(default_factory=dict)  # public key: name
    ids: dict[tuple[str, bytes], bytes] = field(default_factory=dict)  # name and id: public key
    holders: dict[str, str] = field(default_factory=dict)  # member: its group
    kin: dict[str, str] = field(default_factory=dict)  # key name of a member: its group
    quorum: list[str | None] = field(default_factory=list)

    def is_defined(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups


def _read_line(reading: _Reading, line: bytes) -> None:
    forbidden = FORBIDDEN.search(line)
    if forbidden is not None:
        raise MalformedError(f"control character {forbidden.group()!r}, want tab and newline only")
    line = line.strip(BLANKS)
    if not line or line.startswith(b"#"):
        return
    # Octets to text and back without loss: surrogates stand for what is not UTF-8.
    word, *items = (item.decode("utf-8", "surrogateescape") for item in ITEM_BREAK.split(line))
    read = READERS.get(word)
    if read is None:
        raise MalformedError(f"begins with {shown(word)}, want log, witness, group or quorum")
    read(reading, items)


def _read_log(reading: _Reading, items: list[str]) -> None:
    if len(items) not in (1, 2):
        raise MalformedError(f"log line has {len(items)} items, want vkey and maybe URL")
    vkey, url = items[0], (items[1] if len(items) == 2 else None)
    key = parse_log_key(vkey)
    if key.public_key in reading.log_keys:
        other = reading.log_keys[key.public_key]
        raise MalformedError(f"log {shown(key.name)} has the key of log {shown(other)}")
    reading.log_keys[key.public_key] = key.name
    _check_id(reading, key)
    reading.logs.append(Log(key=key, url=url))


def _read_witness(reading: _Reading, items: list[str]) -> None:
    if len(items) not in (2, 3):
        raise MalformedError(f"witness line has {len(items)} items, want name, vkey and maybe URL")
    name, vkey, url = items[0], items[1], (items[2] if len(items) == 3 else None)
    _check_new(reading, name)
    key = Cosigner.parse(vkey)
    check_key(key)
    other = reading.witness_keys.setdefault(key.public_key, name)
    if other != name:
        raise MalformedError(f"witness {shown(name)} has the key of {shown(other)}")
    _check_id(reading, key)
    reading.witnesses[name] = Witness(name=name, key=key, url=url)


def _read_group(reading: _Reading, items: list[str]) -> None:
    if len(items) < 3:
        raise MalformedError(f"group line has {len(items)} items, want name, threshold and members")
    name, threshold, *members = items
    _check_new(reading, name)
    for member in members:
        if member == NONE or not reading.is_defined(member):
            raise MalformedError(
                f"group {shown(name)} has member {shown(member)}, which no line above defines"
            )
        # SPEC: "Each defined name can be listed as a group member at most once."
        if member in reading.holders:
            holder = reading.holders[member]
            raise MalformedError(f"{shown(member)} is a member of {shown(holder)} already")
        reading.holders[member] = name
        _check_kin(reading, name, member)
    reading.groups[name] = Group(
        name=name, threshold=_threshold(name, threshold, len(members)), members=tuple(members)
    )


def _check_kin(reading: _Reading, name: str, member: str) -> None:
    """Refuse one witness's keys in two groups, where it could contribute in two ways."""
    witness = reading.witnesses.get(member)
    if witness is None:
        return
    holder = reading.kin.setdefault(witness.key.name, name)
    if holder != name:
        raise MalformedError(
            f"witness {shown(witness.key.name)} has keys in groups {shown(holder)} and"
            f" {shown(name)}, want one group, so that it counts once"
        )


def _threshold(name: str, text: str, count: int) -> int:
    if text == "any":
        return 1
    if text == "all":
        return count
    threshold = parse_decimal(text, f"group {shown(name)}: threshold")
    if not 1 <= threshold <= count:
        raise MalformedError(f"group {shown(name)} wants {threshold} of {count} members")
    return threshold


def _read_quorum(reading: _Reading, items: list[str]) -> None:
    if len(items) != 1:
        raise MalformedError(f"quorum line has {len(items)} items, want one name")
    if reading.quorum:
        raise MalformedError("second quorum line, want one")
    (name,) = items
    if name != NONE and not reading.is_defined(name):
        raise MalformedError(f"quorum is {shown(name)}, which no line above defines")
    reading.quorum.append(None if name == NONE else name)


READERS = {
    "log": _read_log,
    "witness": _read_witness,
    "group": _read_group,
    "quorum": _read_quorum,
}


def parse_log_key(vkey: str) -> LogKey:
    """Read the vkey of a log: Ed25519 (type 0x01) or ML-DSA-44 (0x06).

    Raises:
        MalformedError: any other text, and any other type.
    """
    key_type = Vkey.parse(vkey).key_type
    if key_type == ED25519:
        raise MalformedError("vkey has key type 0x04, which is a witness's, want a log's: 01 or 06")
    key = Cosigner.parse(vkey) if key_type == ML_DSA_44 else Verifier.parse(vkey)
    check_key(key)
    return key


def check_key(key: LogKey) -> None:
    """Refuse a key under which no signature is ever accepted; for ML-DSA-44 there is none.

    Raises:
        MalformedError: it is such a key.
    """
    if isinstance(key, Verifier) or key.key_type == ED25519:
        keys.check_public_key(key.public_key)


def _check_new(reading: _Reading, name: str) -> None:
    if name == NONE or reading.is_defined(name):
        raise MalformedError(f"name {shown(name)} is defined already")


def _check_id(reading: _Reading, key: LogKey) -> None:
    other = reading.ids.setdefault((key.name, key.key_id), key.public_key)
    if other != key.public_key:
        raise MalformedError(f"two keys of {shown(key.name)} have the same key id")


def believing(*logs: LogKey) -> Policy:
    """Return the policy of who knows only the logs' keys, and asks for no witnesses."""
    return Policy().trusting(logs)
