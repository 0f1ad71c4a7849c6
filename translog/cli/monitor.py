"""`translog monitor`: loads neither a log nor a server."""

import signal
import time
from pathlib import Path

import click

from translog.cli.output import Output, counted
from translog.cli.params import FILE
from translog.monitor.config import read_config
from translog.monitor.run import Clocks, Monitor


@click.command(short_help="Follow logs, and tell what is wrong with them.")
@click.argument("config", metavar="CONFIG", type=FILE)
@click.option("--once", is_flag=True, help="Take one turn of each log, tell, and end.")
@click.pass_obj
def monitor(output: Output, config: Path, once: bool) -> None:
    """Follow logs: every head, every entry, and what others are shown of them.

    CONFIG is a file in TOML that names the logs, whom to compare with, and where alerts go. Each
    alert is told once, also across restarts; evidence in it convinces others (`translog evidence
    verify`). Ends with SIGTERM or Ctrl-C.
    """
    with Monitor.open(read_config(config), Clocks(time.time, time.monotonic)) as running:
        output.note(f"following {counted(len(running.logs), 'log')}")
        if once:
            running.once()
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop())
        running.run()
