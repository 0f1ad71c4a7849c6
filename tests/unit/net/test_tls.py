"""HTTPS: only whom the system's certificates vouch for, and one context for all connections."""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.unit.net.certificates import certificate
from translog.errors import UnavailableError
from translog.net.client import Client
from translog.net.connections import tls

FETCH = """
import sys
from translog.net.client import Client
from translog.errors import TranslogError
try:
    with Client(sys.argv[1], timeout_seconds=10.0, sleep=lambda _: None) as client:
        print(client.get("x", 100).decode())
except TranslogError as error:
    print(type(error).__name__, error)
"""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")


class Quiet(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture(params=["127.0.0.1", "127.0.0.2"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path, bool]]:
    """Serve on 127.0.0.1, with a certificate for that address or another."""
    file = certificate(tmp_path, host=request.param)
    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", file, request.param == "127.0.0.1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_that_nobody_vouches_for_is_refused(served):
    url, _, _ = served
    with (
        Client(url, timeout_seconds=10.0, sleep=lambda _: None) as client,
        pytest.raises(UnavailableError, match=r"CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get("x", 100)


def test_one_that_the_system_vouches_for_is_believed_under_its_own_name(served):
    url, file, is_its_own = served
    done = subprocess.run(
        [sys.executable, "-c", FETCH, url],
        env={"SSL_CERT_FILE": str(file), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    if is_its_own:
        assert done.stdout == "hello\n"
    else:
        assert "UnavailableError" in done.stdout
        assert "mismatch" in done.stdout


def test_one_context_serves_all_connections():
    assert tls() is tls()
    assert tls().verify_mode == ssl.CERT_REQUIRED
    assert tls().check_hostname
