"""The stock `ots` client, unmodified, and `translog headers serve` for a node, in processes."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

OTS = Path(sys.executable).with_name("ots")

# Runs the client's own main() once for each list of arguments: starting Python for every file of
# a tree would take minutes.
MANY = """
import json, logging, sys, traceback
from io import StringIO
from otsclient.ots import main

found = []
for arguments in json.load(sys.stdin):
    said, code = StringIO(), 0
    logging.root.handlers = [logging.StreamHandler(said)]
    sys.argv = ["ots", *arguments]
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except Exception:
        said.write(traceback.format_exc())
        code = 1
    found.append([code, said.getvalue()])
json.dump(found, sys.stdout)
"""


class Done(NamedTuple):
    """How it ended, and what it said."""

    code: int
    said: str


def options(node_url: str) -> list[str]:
    """Return the options that make it ask this node and nobody else."""
    return ["--no-cache", "--no-default-whitelist", "--btc-regtest", "--bitcoin-node", node_url]


def verify(file: Path, node_url: str) -> Done:
    """Run `ots verify FILE.ots`, as anyone does."""
    command = [str(OTS), *options(node_url), "verify", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout + done.stderr)


def verify_many(files: Sequence[Path], node_url: str) -> list[Done]:
    """Do the same for each of many files, in one process."""
    arguments = [[*options(node_url), "verify", str(file)] for file in files]
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [Done(*found) for found in json.loads(done.stdout)]


@contextmanager
def serving(folder: str) -> Iterator[str]:
    """Run `translog headers serve`, and give the URL for --bitcoin-node."""
    command = [sys.executable, "-m", "translog", "headers", "serve", folder]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        url = json.loads(process.stderr.readline())["url"]
        yield url.replace("http://", "http://any:thing@")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stderr.close()
