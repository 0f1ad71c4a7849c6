"""`translog headers …`."""

from contextlib import closing
from pathlib import Path

import click

from translog.bitcoin.block_time import utc
from translog.bitcoin.chain import PERIOD
from translog.bitcoin.grade import CHECKPOINT_LINKED, UNCHECKED, Grade
from translog.bitcoin.header import Header, display_hash
from translog.bitcoin.network import MAINNET, NETWORKS, Network, network_named
from translog.cli.output import Output, counted, json_option
from translog.cli.params import PATH, Parsed
from translog.cli.serving import installed, listen_option
from translog.cli.sources import ASKED, asked
from translog.errors import MalformedError, MissingError
from translog.formats.strict import parse_decimal
from translog.store import files
from translog.store.builtin import checkpoints_of
from translog.store.headers import STATE, HeaderFile, HeaderWriter, create
from translog.verify import header_growth
from translog.verify.headers import (
    MAX_HEADERS_BYTES,
    KeptHeaders,
    check_all,
    covered_by,
    follow_from,
)


def _stated_grade(text: str) -> Grade:
    grade = Grade.parse(text)
    if grade == CHECKPOINT_LINKED:
        raise MalformedError(f"{grade} is what headers are found to be, and nobody's word")
    return grade


def _height(text: str) -> int:
    return parse_decimal(text, "height")


HEIGHT = Parsed("height", _height)
GRADE = Parsed("grade", _stated_grade)
NETWORK = Parsed("network", network_named)

directory_argument = click.argument("directory", metavar="DIR", type=PATH)
network_option = click.option(
    "--network",
    type=NETWORK,
    metavar="NAME",
    help=f"The chain, if DIR is new: {' or '.join(NETWORKS)}.  [default: mainnet]",
)


@click.group(short_help="Keep Bitcoin's block headers, to ask nobody.", no_args_is_help=True)
def headers() -> None:
    """Keep Bitcoin's block headers in a directory, and check timestamps without asking anybody.

    Up to the newest checkpoint that comes with translog, it does not matter where headers are
    from: they lead to it, or they are refused. After it they have the grade of their source.
    """


@headers.command("import", short_help="Add headers from a file.")
@directory_argument
@click.argument("file", metavar="FILE", type=PATH)
@click.option(
    "--grade",
    type=GRADE,
    default=UNCHECKED,
    metavar="GRADE",
    help="What vouches for those after the newest checkpoint, such as 'own node', if you know"
    " that they are from there.  [default: unchecked]",
)
@network_option
@json_option
@click.pass_obj
def import_(
    output: Output, directory: Path, file: Path, grade: Grade, network: Network | None
) -> None:
    """Add the headers in FILE to those in DIR, which is made if it is not there.

    FILE has headers of 80 bytes each, one after the other: from the first block on, or from one
    right after a checkpoint, or after a header in DIR.
    """
    raw = files.read(file, limit=MAX_HEADERS_BYTES)
    of = _network_of(directory, network)
    points = checkpoints_of(of)
    if not (directory / STATE).exists():
        first = header_growth.locate(raw, None, of, points)
        follow_from(of, points, first, raw)  # what is refused leaves no directory
        create(directory, of, first)
    with closing(HeaderWriter(directory)) as writer, output.progress("checking") as progress:
        first = header_growth.locate(raw, writer.file, of, points)
        change = header_growth.extend(writer, points, first, raw, grade, progress)
    _say(output, directory, change)


@headers.command(short_help="Add the newest headers from a source.")
@directory_argument
@click.option(
    "--source",
    type=ASKED,
    required=True,
    metavar="SOURCE",
    help="Whom to ask: esplora:URL, electrum:HOST:PORT, bitcoind:URL, or"
    " quorum:NEED,SOURCE,SOURCE,…",
)
@click.option(
    "--since",
    type=HEIGHT,
    default=0,
    metavar="HEIGHT",
    help="If DIR is new, begin with the period of 2016 blocks that has this one.  [default: 0]",
)
@network_option
@json_option
@click.pass_obj
def sync(output: Output, directory: Path, source: str, since: int, network: Network | None) -> None:
    """Bring the headers in DIR up to the newest that a source knows.

    DIR is made if it is not there. Blocks that were reorganised away give way to the branch with
    more work. What was added stays, however this ends; run it again to go on.
    """
    of = _network_of(directory, network)
    points = checkpoints_of(of)
    with asked(source, of, output.note) as asking:
        if not (directory / STATE).exists():
            newest = 0 if points is None else points.newest + 1
            first = min(since, newest) // PERIOD * PERIOD if newest else 0
            asking.header(first)  # who is of another chain, or not there, leaves no directory
            create(directory, of, first)
        with closing(HeaderWriter(directory)) as writer, output.progress("asking") as progress:
            change = header_growth.sync(writer, points, asking, progress)
    _say(output, directory, change)


def _network_of(directory: Path, named: Network | None) -> Network:
    """Return the chain whose headers are in a directory, or are to be.

    Raises:
        MalformedError: it has those of another chain than the one that was named.
    """
    if not (directory / STATE).exists():
        return named or MAINNET
    with HeaderFile(directory) as file:
        there = file.state().network
    if named not in (None, there):
        raise MalformedError(f"{directory} has headers of {there}, want {named}")
    return there


def _say(output: Output, directory: Path, change: header_growth.Change) -> None:
    with HeaderFile(directory) as file:
        state = file.state()
    changed = {"added": change.added, "dropped": change.dropped}
    said = counted(change.added, "header")
    if change.dropped:
        said += f", for {change.dropped:,} of a branch with less work"
    value = {"directory": str(directory), **changed, "first": state.first, "count": state.count}
    output.result(value, [("Added", said), *_blocks(state.first, state.count)])


def _blocks(first: int, count: int) -> list[tuple[str, str]]:
    there = f"{first:,} to {first + count - 1:,}" if count else "none yet"
    return [("Blocks", there)]


@headers.command(short_help="Check all headers again.")
@directory_argument
@json_option
@click.pass_obj
def verify(output: Output, directory: Path) -> None:
    """Check every header in DIR again: links, targets, work, times and checkpoints."""
    with HeaderFile(directory) as file, output.progress("checking") as progress:
        points = checkpoints_of(file.state().network)
        head = check_all(file, points, progress)
        state = file.state()
    output.result(
        {
            "directory": str(directory),
            "network": head.network.name,
            "first": state.first,
            "count": state.count,
            "newest": display_hash(head.hash),
            "work": head.work,
        },
        [
            ("Checked", f"{counted(state.count, 'header')} of {head.network}"),
            *_blocks(state.first, state.count),
            ("Newest", display_hash(head.hash)),
        ],
    )


@headers.command(short_help="Show what there is, or one header.")
@directory_argument
@click.argument("height", metavar="[HEIGHT]", type=HEIGHT, required=False)
@json_option
@click.pass_obj
def show(output: Output, directory: Path, height: int | None) -> None:
    """Show which headers DIR has and what vouches for them, or the one at HEIGHT."""
    with HeaderFile(directory) as file:
        state = file.state()
        points = checkpoints_of(state.network)
        kept = KeptHeaders(file, points)
        if height is None:
            kept.tip()
            _show_all(output, directory, file, covered_by(state, points))
        else:
            _show_one(output, kept, height)


def _show_all(output: Output, directory: Path, file: HeaderFile, covered: int) -> None:
    state = file.state()
    newest = Header(file.read(state, state.end - 1, 1))
    behind = [
        (max(each.first, covered + 1), state.grade_at(each.first))
        for each, end in zip(
            state.grades, [*(each.first for each in state.grades[1:]), state.end], strict=True
        )
        if end > covered + 1
    ]
    linked = [("Up to", f"{covered:,}: {CHECKPOINT_LINKED}")] if covered >= 0 else []
    output.result(
        {
            "directory": str(directory),
            "network": state.network.name,
            "first": state.first,
            "count": state.count,
            "newest": display_hash(newest.hash),
            "newest_time": utc(newest.time),
            "checkpoint": covered if covered >= 0 else None,
            "behind": [{"from": first, "grade": str(grade)} for first, grade in behind],
        },
        [
            ("Network", _named(state.network)),
            *_blocks(state.first, state.count),
            ("Newest", f"{display_hash(newest.hash)}, {utc(newest.time)}"),
            *linked,
            *(("From", f"{first:,} on: {grade}") for first, grade in behind),
        ],
    )


def _named(network: Network) -> str:
    return network.name if network.proves else f"{network}, which proves nothing"


def _show_one(output: Output, kept: KeptHeaders, height: int) -> None:
    known = kept.header(height)
    header = known.header
    output.result(
        {
            "network": kept.network.name,
            "height": height,
            "hash": display_hash(header.hash),
            "merkle_root": display_hash(header.merkle_root),
            "time": utc(header.time),
            "grade": str(known.grade),
            "header": header.raw.hex(),
        },
        [
            ("Network", _named(kept.network)),
            ("Block", f"{height:,}"),
            ("Hash", display_hash(header.hash)),
            ("Root", display_hash(header.merkle_root)),
            ("Time", utc(header.time)),
            ("Grade", str(known.grade)),
            ("Header", header.raw.hex()),
        ],
    )


@headers.command(short_help="Write the headers that tie a block to a checkpoint.")
@directory_argument
@click.argument("height", metavar="HEIGHT", type=HEIGHT)
@click.option(
    "-o",
    "--output",
    "file",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Write them to FILE, such as X.ots.headers beside the timestamp X.ots.",
)
@json_option
@click.pass_obj
def segment(output: Output, directory: Path, height: int, file: Path) -> None:
    """Write the headers from HEIGHT to the end of its period of 2016 blocks: at most 161,280 bytes.

    They end in a checkpoint that comes with translog. So `translog verify X.ots` needs nothing
    else and asks nobody, now and in twenty years.
    """
    with HeaderFile(directory) as kept:
        state = kept.state()
        points = checkpoints_of(state.network)
        needed = None if points is None else points.needed(height)
        if points is None or needed is None:
            newest = "" if points is None else f": the newest is block {points.newest}"
            raise MissingError(f"no built-in checkpoint comes after block {height}{newest}")
        if not state.first <= height or needed.stop > state.end:
            blocks = f"headers of blocks {state.first} to {state.end - 1}"
            raise MissingError(
                f"{directory} has {blocks if state.count else 'no headers yet'}, want those of"
                f" {needed.start} to {needed.stop - 1}"
            )
        raw = kept.read(state, needed.start, len(needed))
    points.tie(raw)
    files.write_out(file, raw)
    output.result(
        {"file": str(file), "first": needed.start, "count": len(needed)},
        [("Wrote", str(file)), *_blocks(needed.start, len(needed))],
    )


@headers.command(short_help="Answer `ots verify` as a node does.")
@directory_argument
@listen_option(8332, ", where a node does")
def serve(directory: Path, listen: tuple[str, int]) -> None:
    """Answer getblockcount, getblockhash and getblockheader from the headers in DIR.

    That is what the stock `ots verify` asks a Bitcoin node for: with --bitcoin-node
    http://any:thing@127.0.0.1:8332 it works without one. Nothing is asked of anybody.
    """
    with installed():
        from translog.server.node_run import serve as run
    with HeaderFile(directory) as file:
        run(file, checkpoints_of(file.state().network), *listen)
