"""Serving a witness until told to stop. Nothing of a log is loaded here."""

import time
from contextlib import closing

from translog.server.cosigning import Cosigning
from translog.server.listening import listen, run, url_of
from translog.server.logs import LOGGER, written
from translog.server.settings import Clock, Settings
from translog.server.witness import WitnessApp
from translog.store.witness_directory import WitnessDirectory

REQUESTS_PER_SECOND = 1_000.0  # of one client: more than all of a log's, for ever
REQUEST_SECONDS = 10.0


def serve(directory: WitnessDirectory, host: str, port: int) -> None:
    """Serve a witness until SIGINT or SIGTERM; then finish what was taken in.

    Args:
        directory: of the witness.
        host: the address to listen on.
        port: the port to listen on; 0 for any, which the line that says "serving" names.

    Raises:
        ConflictError: another process cosigns with it.
        MissingError, MalformedError: a key is not as it should be.
        UnavailableError: the address is taken, or the disk fails.
    """
    clock = Clock(now=time.time, steady=time.monotonic)
    with (
        written(),
        directory.locked(),
        closing(Cosigning(directory, lambda: int(clock.now()))) as cosigning,
        closing(directory.open_reader()) as records,
        closing(listen(host, port)) as listening,
    ):
        settings = Settings(
            base_url=url_of(listening),
            request_seconds=REQUEST_SECONDS,
            events_per_second=REQUESTS_PER_SECOND,
        )
        app = WitnessApp(cosigning, records, settings, clock)
        run(app, listening, cosigning.cosigners[0].name, settings.request_seconds)
        LOGGER.info("stopped taking requests")
