"""Questions and answers in JSON-RPC, on a line each, over TLS: bounded in time and bytes."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from translog.errors import MalformedError, TooLargeError, UnavailableError
from translog.formats.strict import shown
from translog.net.connections import reason

MAX_NOTES = 100  # lines that nobody asked for, such as news of blocks, before an answer
CHUNK_BYTES = 64 << 10


class Address(NamedTuple):
    """Where a server is.

    Attributes:
        certificate: the SHA-256 of the server's certificate, which is then the only one taken:
            most servers have one that they made themselves. None: one that the system trusts.
    """

    host: str
    port: int
    certificate: bytes | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Lines:
    """One connection, from construction to `close`. After an error it is good for nothing more."""

    def __init__(
        self,
        address: Address,
        *,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect.

        Args:
            timeout_seconds: for connecting, and then for each question, to its answer's last byte.

        Raises:
            UnavailableError: the server cannot be reached, or is not the one that was meant.
        """
        self._name = str(address)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._arrived = b""  # and not read yet
        self._number = 0
        try:
            self._socket = _connected(address, timeout_seconds)
        except OSError as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def ask(self, method: str, params: list[Any], limit: int) -> Any:
        """Return the result of one call.

        Args:
            limit: the largest number of bytes in a line.

        Raises:
            UnavailableError: no answer in time, or the server says that it cannot do this.
            TooLargeError: a line is longer.
            MalformedError: what it sends is no answer.
        """
        deadline = self._clock() + self._timeout_seconds
        self._number += 1
        question = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        try:
            self._set_timeout(deadline)
            self._socket.sendall(json.dumps(question).encode() + b"\n")
            answer = self._answer(limit, deadline)
        except OSError as error:
            raise self._unavailable(error) from error
        refusal = answer.get("error")
        if refusal is not None:
            said = refusal.get("message") if isinstance(refusal, dict) else refusal
            raise UnavailableError(f"{self._name}: {method}: {shown(said)}")
        return answer.get("result")

    def _answer(self, limit: int, deadline: float) -> dict[str, Any]:
        for _ in range(MAX_NOTES):
            line = self._line(limit, deadline)
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise MalformedError(f"{self._name} sent {shown(line)}, want JSON") from error
            if not isinstance(answer, dict):
                raise MalformedError(f"{self._name} sent {shown(line)}, want an object")
            if answer.get("id") == self._number:
                return answer
        raise MalformedError(f"{self._name} sent {MAX_NOTES} lines that nobody asked for")

    def _line(self, limit: int, deadline: float) -> bytes:
        while b"\n" not in self._arrived:
            if len(self._arrived) > limit:
                raise TooLargeError(f"{self._name} sent a line of more than {limit} bytes")
            self._set_timeout(deadline)
            arrived = self._socket.recv(CHUNK_BYTES)
            if not arrived:
                raise ConnectionResetError("the server closed the connection")
            self._arrived += arrived
        line, _, self._arrived = self._arrived.partition(b"\n")
        return line

    def _set_timeout(self, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _unavailable(self, error: OSError) -> UnavailableError:
        if isinstance(error, TimeoutError):
            return UnavailableError(
                f"{self._name} did not answer within {self._timeout_seconds:g} s"
            )
        return UnavailableError(f"{self._name}: {reason(error)}")


def _connected(address: Address, seconds: float) -> ssl.SSLSocket:
    """Open a connection, to the server that was meant.

    Raises:
        OSError: it cannot be reached, or has another certificate.
    """
    context = ssl.create_default_context()
    if address.certificate is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # compared in full below, before anything is sent
    plain = socket.create_connection((address.host, address.port), seconds)
    try:
        secure = context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise
    if address.certificate is not None:
        found = sha256(secure.getpeercert(binary_form=True) or b"").digest()
        if found != address.certificate:
            secure.close()
            raise ssl.SSLError(f"certificate has SHA-256 {found.hex()}, want another")
    return secure
