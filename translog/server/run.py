"""Serving a log until told to stop."""

import random
import time
from contextlib import closing

from translog.log.anchoring import read_settings
from translog.log.directory import LogDirectory
from translog.log.writer import open_writer
from translog.server.anchoring import Anchoring
from translog.server.app import build
from translog.server.direct import LogConnection
from translog.server.listening import listen, run, url_of
from translog.server.logs import LOGGER, written
from translog.server.settings import Clock, Settings


def serve(
    directory: LogDirectory, host: str, port: int, publish_interval: float, base_url: str | None
) -> None:
    """Serve a log until SIGINT or SIGTERM; then finish what was taken in and sign a last head.

    Args:
        directory: of the log.
        host: the address to listen on.
        port: the port to listen on; 0 for any, which the line that says "serving" names.
        publish_interval: seconds from one signed head to the next.
        base_url: under which the world reaches the server, for the links in what it signs; None
            for the address it listens on.

    Raises:
        MalformedError: DIR/anchoring.toml is not what it has to be.
        ConflictError: another process writes to this log.
        VerificationError: what is stored contradicts itself, or what was signed.
        UnavailableError: the address is taken, or the disk fails.
    """
    clock = Clock(now=time.time, steady=time.monotonic)
    with (
        written(),
        open_writer(directory, lambda: int(clock.now())) as writer,
        closing(listen(host, port)) as listening,
    ):
        url = url_of(listening)
        settings = Settings(
            base_url=(base_url or url).rstrip("/"), publish_interval_seconds=publish_interval
        )
        anchoring = Anchoring(directory, read_settings(directory.path))
        app = build(writer, directory, settings, clock, anchoring)
        with anchoring.running(writer, clock, random.random):
            run(app, listening, directory.origin, settings.request_seconds, LogConnection)
        LOGGER.info("stopped taking requests at size %d", writer.head.size)
