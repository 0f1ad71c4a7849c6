"""Servers below HTTP: they do to a connection what a test says."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Let `talk` have each connection, after the request."""

    def serve() -> None:
        with suppress_closed():
            while True:
                connection, _ = listener.accept()
                with closing(connection), suppress_closed():
                    connection.recv(65536)
                    talk(connection)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def suppress_closed() -> Iterator[None]:
    with suppress(OSError):
        yield


def slowly(start: bytes) -> Callable[[socket.socket], None]:
    """Send `start`, and then a byte now and then for as long as anyone listens."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        while not Event().wait(0.02):
            connection.sendall(b"a")

    return talk


@contextmanager
def raw_server_without_reading(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    def serve() -> None:
        with suppress_closed():
            connection, _ = listener.accept()
            with closing(connection), suppress_closed():
                talk(connection)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join()
