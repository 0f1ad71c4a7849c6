"""`translog serve`."""

import click

from translog.cli.params import SECONDS, URL
from translog.cli.places import find_log
from translog.cli.serving import installed, listen_option


@click.command(short_help="Serve a log over HTTP, and take events.")
@click.argument("directory", metavar="DIR")
@listen_option(8080)
@click.option(
    "--publish-interval",
    type=SECONDS,
    default=1.0,
    metavar="TIME",
    help="From one signed head to the next, such as 500ms.  [default: 1s]",
)
@click.option(
    "--base-url",
    type=URL,
    default=None,
    metavar="URL",
    help="Where the world reaches it; bundles name it.  [default: where it listens]",
)
def serve(
    directory: str, listen: tuple[str, int], publish_interval: float, base_url: str | None
) -> None:
    """Serve the log in DIR over HTTP until it is stopped (Ctrl-C or SIGTERM).

    What was acknowledged is on disk; stopping finishes what was taken in, and signs it.
    """
    log = find_log(directory)
    with installed():
        from translog.server.run import serve as run
    host, port = listen
    run(log, host=host, port=port, publish_interval=publish_interval, base_url=base_url)
