"""What a witness answers: c2sp.org/tlog-witness, from the side of the log. One try, no rules."""

from typing import NamedTuple

from translog.formats.note import MAX_NOTE_BYTES, Signature
from translog.formats.witnessing import (
    ADD_CHECKPOINT,
    MAX_ANSWER_BYTES,
    Submission,
    monitoring_path,
    parse_cosignatures,
    parse_size,
)
from translog.net.exchange import Exchange, refusal

STALE = 409
DISPUTED = 422


class Stale(NamedTuple):
    """The witness cosigned another head last than the one that was proved from: of this size."""

    size: int


class Disputed(NamedTuple):
    """The witness says that the head does not continue the one that it cosigned last."""

    said: str


Reply = tuple[Signature, ...] | Stale | Disputed
"""What a witness says to a head. Signature lines are as they came: nothing in them is verified."""


class Witness:
    """Connections to one witness."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        """Open nothing yet.

        Args:
            url: the submission prefix, which is taken for the monitoring prefix, too.
            timeout_seconds: for one request, to the last byte of its answer.

        Raises:
            MalformedError: `url` is not http(s) without user or query.
        """
        self._exchange = Exchange(url, timeout_seconds=timeout_seconds, headers={})

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def add_checkpoint(self, submission: Submission) -> Reply:
        """Ask for cosignatures.

        Raises:
            MalformedError: an answer that tlog-witness does not know.
            MissingError: the witness does not know the log.
            BusyError, UnavailableError: any other refusal, or no answer in time.
        """
        answer = self._exchange.ask(
            "POST", ADD_CHECKPOINT, MAX_ANSWER_BYTES, body=submission.encode()
        )
        if answer.status == 200:
            return parse_cosignatures(answer.body)
        if answer.status == STALE:
            return Stale(parse_size(answer.body))
        error = refusal(answer, f"{self._exchange.base_url}/{ADD_CHECKPOINT}")
        if answer.status == DISPUTED:
            return Disputed(str(error))
        raise error

    def read_latest(self, origin: str) -> bytes:
        """Return the note of the head of a log that the witness cosigned last.

        Raises:
            MissingError: it shows none.
            BusyError, UnavailableError: any other refusal, or no answer in time.
        """
        path = monitoring_path(origin)
        answer = self._exchange.ask("GET", path, MAX_NOTE_BYTES)
        if answer.status == 200:
            return answer.body
        raise refusal(answer, f"{self._exchange.base_url}/{path}")
