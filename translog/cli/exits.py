"""What a process ends with: the one table of exit codes."""

from translog.errors import (
    ConflictError,
    ForbiddenError,
    MalformedError,
    MissingError,
    TranslogError,
    UnavailableError,
    VerificationError,
)

OK = 0
FAILED = 1  # what was looked at is not right
USAGE = 2  # the command line makes no sense; nothing was looked at
ENVIRONMENT = 3  # nothing could be looked at: a file, a lock, the disk, the network
STOPPED = 130  # Ctrl-C; this and the next as shells have it
READER_GONE = 141  # the other end of our output's pipe was closed


class AbsentError(MissingError):
    """A log does not have what was asked for: that is its answer, and not a file's absence."""


# By the nearest of an error's classes. What is wrong with an argument is found while the command
# line is read, and is USAGE whatever its class.
EXIT_CODES: dict[type[TranslogError], int] = {
    MalformedError: FAILED,
    VerificationError: FAILED,
    ForbiddenError: FAILED,
    AbsentError: FAILED,
    MissingError: ENVIRONMENT,
    ConflictError: ENVIRONMENT,
    UnavailableError: ENVIRONMENT,
}


def exit_code(error: TranslogError) -> int:
    """Return how a process ends that was ended by `error`."""
    return next(EXIT_CODES[of] for of in type(error).__mro__ if of in EXIT_CODES)
