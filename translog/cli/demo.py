"""`translog demo`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from translog.cli.output import Output, json_option
from translog.formats.canonical import canonical
from translog.formats.entry import Entry
from translog.log import anchored, bundler, reader
from translog.pith.bundle import parse
from translog.pith.event import Event
from translog.pith.record import parse_pith_number
from translog.testing.devnet import Devnet, running
from translog.verify.bundle_times import check_times

WARNING = "regtest: proves nothing"
RECORDS = 3
DEEP = 7  # blocks: one more than make a block final
OTS_SECONDS = 60


@click.command(short_help="Show how a log is anchored, in seconds.")
@click.option(
    "--devnet",
    is_flag=True,
    required=True,
    help="On a Bitcoin chain of its own, with calendars of its own.",
)
@json_option
@click.pass_obj
def demo(output: Output, devnet: bool) -> None:
    """Show the whole way of an anchor: stamped, in a block, final, lost, and final again.

    Everything runs on this machine and on a test chain, where blocks cost nothing: so nothing is
    proved by it, and every line says that. The code is the one that anchors logs. The log is made
    in a temporary folder, and gone at the end.
    """
    with (
        tempfile.TemporaryDirectory(prefix="translog-devnet-") as folder,
        running(Path(folder) / "log") as made,
    ):
        _Show(output, Path(folder), made).all()


class _Show:
    """Tells it, line by line."""

    def __init__(self, output: Output, folder: Path, devnet: Devnet) -> None:
        self._output = output
        self._folder = folder
        self._devnet = devnet

    def all(self) -> None:
        devnet = self._devnet
        self._turn("A new log knows a block of its chain, and states it.")
        devnet.add(RECORDS)
        self._tell(f"It has {RECORDS} records, and has signed a checkpoint over them.")
        self._turn("The hash of that checkpoint is given to calendars.")
        devnet.mine(2)
        self._turn("Blocks are mined. The calendars are asked for the path to them.")
        devnet.mine(5)
        self._turn("Five more blocks come. The log states of every record that it is anchored.")
        self._check(devnet.events[0])
        devnet.reorganise(DEEP)
        self._turn(f"A heavier branch replaces {DEEP} blocks, which should never happen.")
        self._turn("The newest checkpoint is stamped again at once.")
        devnet.mine(2)
        self._turn("The calendars put in again what they had lost.")
        devnet.mine(5)
        self._turn("All is final again. What was stated of the lost block is superseded.")

    def _turn(self, sentence: str) -> None:
        self._tell(sentence)
        for each in self._devnet.turn():
            self._tell(each.sentence, each.what)

    def _check(self, event: Event) -> None:
        """Look at one event's timestamp as an outsider would."""
        devnet = self._devnet
        bundle = bundler.bundle(
            devnet.db,
            devnet.size,
            parse_pith_number(event.subject).suffix,
            devnet.signer,
            f"https://{devnet.verifier.name}",
        )
        self._tell("A bundle of a record is checked against the headers of a node.")
        for finding in check_times(parse(canonical(bundle)), [devnet.chain]):
            self._tell(finding.sentence, finding.status)
        ots = shutil.which("ots") or shutil.which("ots", path=str(Path(sys.executable).parent))
        if ots is None:
            self._tell("Stock `ots` is not installed here, and is not asked.")
        else:
            self._tell("Stock `ots verify` looks at the same event's file, with the same node.")
            self._tell(self._verified(ots, event), "ots")

    def _verified(self, ots: str, event: Event) -> str:
        """Write an event and its timestamp, and return what stock `ots` says of them."""
        devnet = self._devnet
        leaf = reader.find_event(devnet.db, devnet.size, event.content_sha256)
        best = anchored.best(devnet.db, leaf.leaf_index, devnet.verifier)
        content, stamp = self._folder / "event.json", self._folder / "event.json.ots"
        content.write_bytes(event.content)
        stamp.write_bytes(best.event_file(Entry.parse(leaf.entry), leaf.leaf_index))
        node = devnet.node.url.replace("http://", "http://user:password@")
        options = ["--no-cache", "--no-default-whitelist", "--btc-regtest", "--bitcoin-node", node]
        done = subprocess.run(  # noqa: S603  # the client that is installed, as `which` finds it
            [ots, *options, "verify", str(stamp)],
            capture_output=True,
            text=True,
            check=False,
            timeout=OTS_SECONDS,
        )
        return (done.stdout + done.stderr).strip().splitlines()[-1]

    def _tell(self, sentence: str, word: str = "") -> None:
        if self._output.json:
            self._output.value({"warning": WARNING, "word": word, "sentence": sentence})
        else:
            shown = f"  {word:<12}{sentence}" if word else sentence
            self._output.line(shown, mark=f"{WARNING}  ", style="doubt")
