"""Telling what was found: to a folder, on stdout, to a program, to a webhook. Each in a thread of
its own.

What is to be told stands in the database until it was: a channel that is down delays itself alone,
and a crash between telling and forgetting tells twice, with the same id.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from translog.errors import TranslogError, UnavailableError
from translog.formats.canonical import canonical
from translog.formats.note import NoteSigner
from translog.formats.strict import format_base64
from translog.net.exchange import Exchange
from translog.store import files
from translog.store.follower import MAX_WAIT_SECONDS, Follower

EVIDENCE = "evidence"
STDOUT = "stdout"
COMMAND = "command"
WEBHOOK = "webhook"
COMMAND_SECONDS = 30.0
WEBHOOK_SECONDS = 15.0
FIRST_WAIT_SECONDS = 5
AT_ONCE = 64
IDLE_SECONDS = 1.0
MAX_ANSWER_BYTES = 64 << 10

Tell = Callable[[bytes], None]
"""Tell one alert, in JSON. Raises UnavailableError if it may not have been heard."""


def to_folder(folder: Path) -> Tell:
    """Return how to keep the evidence of each alert that has any, as a file in a folder."""

    def tell(alert: bytes) -> None:
        value = json.loads(alert)
        if value["evidence"] is None:
            return
        files.make_folder(folder)
        file = folder / f"{value['kind']}-{value['id'][:16]}.json"
        files.write_atomically(file, canonical(value["evidence"]) + b"\n")

    return tell


def to_stdout(alert: bytes) -> None:
    """Print an alert as a line of JSON."""
    try:
        sys.stdout.buffer.write(alert + b"\n")
        sys.stdout.buffer.flush()
    except OSError as error:
        raise UnavailableError(f"stdout: {error}") from error


def to_command(command: Sequence[str]) -> Tell:
    """Return how to run a program for each alert, with the alert on its standard input."""

    def tell(alert: bytes) -> None:
        try:
            done = subprocess.run(  # noqa: S603  # what the configuration says
                command,
                input=alert + b"\n",
                stdout=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"command {command[0]}: {error}") from error
        if done.returncode:
            raise UnavailableError(f"command {command[0]} ended with {done.returncode}")

    return tell


class Webhook:
    """A URL that alerts are sent to, each signed as the text of a note is.

    docs/formats/monitor.md, "Webhooks": whoever gets one needs the public key, and cannot forge
    others with it.
    """

    def __init__(self, url: str, signer: NoteSigner) -> None:
        place, mark, query = url.partition("?")
        head, _, path = place.rpartition("/")
        base, path = (head, path) if "://" in head else (place, "")
        self._path = f"{path}{mark}{query}"
        self._signer = signer
        self._exchange = Exchange(base, timeout_seconds=WEBHOOK_SECONDS, headers={})

    def close(self) -> None:
        self._exchange.close()

    def tell(self, alert: bytes) -> None:
        """Send an alert, or raise UnavailableError: any status from 200 to 299 is an answer."""
        body = alert + b"\n"
        signature = self._signer.sign(body.decode())
        headers = {
            "Content-Type": "application/json",
            "Translog-Key": self._signer.verifier.vkey,
            "Translog-Signature": format_base64(signature.key_id + signature.blob),
        }
        try:
            answer = self._exchange.ask(
                "POST", self._path, MAX_ANSWER_BYTES, body=body, headers=headers
            )
        except TranslogError as error:
            raise UnavailableError(str(error)) from error
        if not 200 <= answer.status < 300:
            raise UnavailableError(f"webhook answered {answer.status}")


@dataclass
class Channel:
    """One way of telling.

    Attributes:
        name: as it stands in the database.
        failed: how many tries in a row have failed.
    """

    name: str
    tell: Tell
    failed: int = 0

    def deliver(self, store: Follower, now: int) -> bool:
        """Tell what is due, in order; return whether anything was told.

        What fails is put off, and what is behind it waits too: alerts come in their order.
        """
        told = False
        for due in store.due(self.name, now, AT_ONCE):
            try:
                self.tell(due.alert)
            except UnavailableError:
                self.failed += 1
                store.put_off(self.name, due.fact_id, now + pause_seconds(due.tries + 1))
                return told
            store.told(self.name, due.fact_id)
            self.failed = 0
            told = True
        return told


def pause_seconds(failures: int) -> int:
    """Return after how long to try again, after so many failures in a row."""
    return min(FIRST_WAIT_SECONDS << min(failures - 1, 20), MAX_WAIT_SECONDS)


class Courier:
    """A thread for each channel, from construction to `close`."""

    def __init__(
        self, channels: Sequence[Channel], store: Follower, clock: Callable[[], float]
    ) -> None:
        self._stopping = Event()
        self._news = Event()
        self._store = store
        self._clock = clock
        self._threads = [
            Thread(target=self._run, args=(channel,), daemon=True) for channel in channels
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is something to tell."""
        self._news.set()

    def close(self, timeout_seconds: float) -> None:
        """Stop: what was not told is told after the next start."""
        self._stopping.set()
        self._news.set()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _run(self, channel: Channel) -> None:
        while not self._stopping.is_set():
            try:
                busy = channel.deliver(self._store, int(self._clock()))
            except TranslogError:
                # The database: the followers say so, too. What was told was not forgotten, and is
                # told again: not without end while the disk is full.
                channel.failed += 1
                self._stopping.wait(pause_seconds(channel.failed))
                continue
            if not busy:
                self._news.wait(IDLE_SECONDS)
                self._news.clear()
