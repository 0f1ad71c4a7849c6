"""Serving headers as a node does until told to stop. Nothing of a log is loaded here."""

from contextlib import closing

from translog.bitcoin.checkpoints import Checkpoints
from translog.server.listening import listen, run, url_of
from translog.server.logs import LOGGER, written
from translog.server.node import NodeApp
from translog.server.settings import Settings
from translog.store.headers import HeaderFile
from translog.verify.headers import KeptHeaders

REQUEST_SECONDS = 10.0


def serve(file: HeaderFile, checkpoints: Checkpoints | None, host: str, port: int) -> None:
    """Serve the headers of a directory until SIGINT or SIGTERM.

    Args:
        checkpoints: of their network, if it has any.
        host: the address to listen on.
        port: the port to listen on; 0 for any, which the line that says "serving" names.

    Raises:
        HeaderError: they break a rule.
        UnavailableError: the address is taken, or the disk fails.
    """
    headers = KeptHeaders(file, checkpoints)
    headers.tip()  # what is wrong with them is seen here, and not by the first who asks
    with written(), closing(listen(host, port)) as listening:
        settings = Settings(base_url=url_of(listening), request_seconds=REQUEST_SECONDS)
        with closing(NodeApp(headers, settings)) as app:
            run(app, listening, f"headers of {headers.network}", settings.request_seconds)
    LOGGER.info("stopped taking requests")
