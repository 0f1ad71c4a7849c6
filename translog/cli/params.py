"""Arguments, read strictly while the command line is: what is wrong with one is a usage error."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from translog.errors import MalformedError
from translog.formats.checkpoint import check_origin
from translog.formats.note import check_name
from translog.formats.strict import shown
from translog.pith import shape
from translog.pith.kinds import members
from translog.pith.record import parse_pith_number

MAX_SECONDS = 86_400.0
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_EVENT_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_LISTEN = re.compile(r"(?:([0-9A-Za-z.-]+)|\[([0-9A-Fa-f:.]+)\]):([0-9]{1,5})")


class Parsed(click.ParamType[Any]):
    """A parameter that `parse` reads, or refuses with MalformedError."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # a default, which is parsed already
        try:
            return self._parse(value)
        except MalformedError as error:
            self.fail(str(error), param, ctx)


def _origin(text: str) -> str:
    check_origin(text)
    if "://" in text:
        raise MalformedError(
            f"origin is {text[:80]!r}, want it without a scheme, such as {text.split('://')[1][:80]!r}"
        )
    return text


def _name(text: str) -> str:
    check_name(text, "key name")
    return text


def _label(text: str) -> str:
    return shape.label({"text": text}, "text", "argument")


def _event_id(text: str) -> bytes:
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise MalformedError(f"event id is {text[:80]!r}, want sha256: and 64 digits of hex")
    return bytes.fromhex(match[1])


def _time(text: str) -> str:
    return shape.seconds({"time": text}, "time", "argument")


def _seconds(text: str) -> float:
    match = _SECONDS.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0.0 < seconds <= MAX_SECONDS:
        raise MalformedError(f"time is {text[:40]!r}, want one like 500ms, 1s or 2m, at most 24h")
    return seconds


def _listen(text: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[3]) > 65_535:
        raise MalformedError(f"address is {text[:80]!r}, want one like 127.0.0.1:8080 or [::1]:80")
    return match[1] or match[2], int(match[3])


def _url(text: str) -> str:
    url = members.url({"url": text}, "url", "argument")
    if "?" in url or "#" in url:  # paths are put behind it
        raise MalformedError(f"argument url is {shown(url)}, want it without a query or a fragment")
    return url.rstrip("/")


def is_url(text: str) -> bool:
    """Tell a URL from a directory."""
    return text.startswith(("http://", "https://"))


def _fingerprint(text: str) -> str:
    if _FINGERPRINT.fullmatch(text) is None:
        raise MalformedError(
            f"fingerprint is {text[:80]!r}, want 32 digits of hex, as `translog keys list` shows"
        )
    return text


ORIGIN = Parsed("origin", _origin)
LABEL = Parsed("text", _label)
KEY_NAME = Parsed("name", _name)
EVENT_ID = Parsed("event_id", _event_id)
SECONDS = Parsed("time", _seconds)
LISTEN = Parsed("host:port", _listen)
URL = Parsed("url", _url)
FINGERPRINT = Parsed("fingerprint", _fingerprint)
NUMBER = Parsed("number", lambda text: str(parse_pith_number(text)))
TIME = Parsed("time", _time)
# Whether a file can be read is seen when it is read: that is no mistake in the command line.
PATH: click.Path = click.Path(path_type=Path, readable=False)
FILE: click.Path = click.Path(path_type=Path, readable=False, dir_okay=False)

PRIVATE_KEY = click.option(
    "--key",
    metavar="FILE",
    type=PATH,
    required=True,
    help="The private key that signs, as `translog keys generate` makes it: never a log's own.",
)
SIGNER_ID = click.option(
    "--signer-id",
    metavar="ID",
    type=LABEL,
    help="Under which name it is signed: the one that the log allows the key.  [default: the"
    " key's fingerprint]",
)
REASON = click.option(
    "--reason", metavar="TEXT", default="", help="Why, in words. It stands in the log."
)
