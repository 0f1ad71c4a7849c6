"""Sources of headers on the network, by their names in a configuration.

esplora:https://blockstream.info/api             one server
electrum:electrum.example.org:50002              one server, with a certificate of an authority
electrum:electrum.example.org:50002#SHA256       one whose certificate has this SHA-256
bitcoind:http://user:password@127.0.0.1:8332     one's own node
bitcoind:http://127.0.0.1:8332#COOKIEFILE        the same, with the cookie it writes
quorum:2,esplora:…,esplora:…,electrum:…          as many of these must agree
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from translog.bitcoin.claims import Known, RunSource
from translog.errors import MalformedError
from translog.formats.strict import parse_decimal, shown
from translog.net.bitcoind import Bitcoind
from translog.net.connections import read_url
from translog.net.electrum import Electrum
from translog.net.esplora import Esplora
from translog.net.lines import Address
from translog.net.quorum import Quorum

WANTED = "esplora:, electrum:, bitcoind: or quorum:"

_ELECTRUM = re.compile(
    r"(?P<host>[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63})*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})(?:#(?P<pin>[0-9a-f]{64}))?",
    re.ASCII,
)
_BITCOIND = re.compile(
    r"(?P<scheme>https?://)(?:(?P<user>[^@/#]*)@)?(?P<host>[^@/#]+)/?(?:#(?P<cookie>.+))?", re.ASCII
)

ReadCookie = Callable[[str], str]
"""Returns the content of a node's cookie file."""


def open_source(
    name: str, known: Known, read_cookie: ReadCookie, note: Callable[[str], None]
) -> RunSource:
    """Return the source of that name. Nobody is asked yet.

    Args:
        known: of the chain that it must know.
        note: see `Quorum`.

    Raises:
        MalformedError: it is no such name. The message holds no password.
    """
    kind, _, rest = name.partition(":")
    if kind == "esplora":
        return Esplora(rest, known)
    if kind == "electrum":
        return Electrum(_electrum(rest), known)
    if kind == "bitcoind":
        return _bitcoind(rest, known, read_cookie)
    if kind == "quorum":
        return _quorum(rest, known, note)
    raise MalformedError(f"header source is {shown(kind)}, want {WANTED}")


def _electrum(text: str) -> Address:
    match = _ELECTRUM.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= 65_535:
        raise MalformedError(
            f"Electrum server is {shown(text)}, want host:port or host:port#SHA256"
        )
    pin = bytes.fromhex(match["pin"]) if match["pin"] else None
    return Address(match["host"].strip("[]"), int(match["port"]), pin)


def _bitcoind(text: str, known: Known, read_cookie: ReadCookie) -> Bitcoind:
    match = _BITCOIND.fullmatch(text)
    if match is None or bool(match["user"]) == bool(match["cookie"]):
        raise MalformedError(
            "node is not given as http://user:password@host:port or http://host:port#COOKIEFILE"
        )
    url = match["scheme"] + match["host"]
    cookie, user = match["cookie"], unquote(match["user"] or "")
    return Bitcoind(url, lambda: read_cookie(cookie) if cookie else user, known)


def _quorum(text: str, known: Known, note: Callable[[str], None]) -> Quorum:
    need, *names = text.split(",")
    for kind in (name.partition(":")[0] for name in names):
        if kind not in ("esplora", "electrum"):
            raise MalformedError(f"quorum has a member {shown(kind)}, want esplora or electrum")
    hosts = [_host(name) for name in names]
    if len(set(hosts)) != len(hosts):
        raise MalformedError(f"quorum has one server twice among {', '.join(hosts)}")
    members = [open_source(name, known, _no_cookie, note) for name in names]
    return Quorum(members, parse_decimal(need, "quorum: servers needed"), note)


def _host(name: str) -> str:
    kind, _, rest = name.partition(":")
    host = _electrum(rest).host if kind == "electrum" else read_url(rest).host
    return (host or "").lower()


def _no_cookie(_: str) -> str:
    raise ValueError("a quorum has no node")
