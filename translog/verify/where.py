"""Fetching what is published, and saying where a refusal comes from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from translog.errors import (
    ForbiddenError,
    HashError,
    MalformedError,
    MissingError,
    VerificationError,
)
from translog.formats.merkle import HASH_BYTES, Hash
from translog.formats.published import Fetch
from translog.formats.tiles import FULL, Tile, bundle_path


@contextmanager
def about(what: str) -> Iterator[None]:
    """Put `what` in front of the message of a refusal that is raised inside."""
    try:
        yield
    except (MalformedError, VerificationError, ForbiddenError) as error:
        raise type(error)(f"{what}: {error}") from error


def fetch_wide(
    fetch: Fetch, prefix: str, index: int, width: int, limit: int
) -> tuple[str, bytes, int]:
    """Fetch a tile, an entry bundle or an events file, or the full one it has since become.

    SPEC tlog-tiles: a log may delete a partial tile once the full one is there, and clients may
    fall back on that.

    Returns:
        The path found, its content, and how wide that is: `width` or 256.
    """
    path = bundle_path(prefix, index, width)
    try:
        return path, fetch(path, limit), width
    except MissingError:
        if width == FULL:
            raise
        missing = bundle_path(prefix, index, FULL)
        try:
            return missing, fetch(missing, limit), FULL
        except MissingError as error:
            raise MissingError(f"{path} is not published, nor is {missing}") from error


def fetch_tile(fetch: Fetch, tile: Tile) -> bytes:
    """Fetch the hashes of a tile, unchecked but for their number.

    Raises:
        MalformedError: there are more or fewer.
    """
    prefix = f"tile/{tile.level}"
    path, content, width = fetch_wide(fetch, prefix, tile.index, tile.width, FULL * HASH_BYTES)
    if len(content) != width * HASH_BYTES:
        raise MalformedError(f"{path} has {len(content)} bytes, want {width * HASH_BYTES}")
    return content[: tile.width * HASH_BYTES]


def fetch_tiles(fetch: Fetch, tiles: Sequence[Tile]) -> list[bytes]:
    """Fetch several: with the first argument bound, this is a `tiles.Fetch`."""
    return [fetch_tile(fetch, tile) for tile in tiles]


def compare_tile(tile: Tile, found: bytes, want: Sequence[Hash]) -> None:
    """Check that a published tile holds the hashes that were computed, as many as there are.

    Raises:
        HashError: it holds others; the message names the first.
    """
    if found == b"".join(want):
        return
    for number, hash_ in enumerate(want):
        at = number * HASH_BYTES
        if found[at : at + HASH_BYTES] != hash_:
            raise HashError(
                f"{tile.path} has {found[at : at + HASH_BYTES].hex()} as hash {number}, "
                f"computed {hash_.hex()}"
            )
