"""A directory of static files in place of a server: the same paths, the same errors."""

import os
import stat
from pathlib import Path

from translog.errors import MalformedError, MissingError, TooLargeError, UnavailableError
from translog.formats.published import check_path


class Directory:
    """The files of an exported log. Whoever made them is trusted with nothing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, path: str, limit: int) -> bytes:
        """Return what is at `path`. As a function, this is a `published.Fetch`.

        Raises:
            MalformedError: no log publishes anything there, or a part of it is a symbolic link:
                what a directory holds could otherwise lead to any file of the reader's.
            MissingError, TooLargeError, UnavailableError: as `published.Fetch` says.
        """
        check_path(path)
        what = f"{self._root}/{path}"
        try:
            descriptor = self._open(path)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise MissingError(f"{what} is not a file")
                with open(descriptor, "rb", closefd=False) as file:
                    content = file.read(limit + 1)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingError(f"{what} is not there") from error
        except OSError as error:
            raise UnavailableError(f"{what}: {error.strerror}") from error
        if len(content) > limit:
            raise TooLargeError(f"{what} has more than the {limit} bytes wanted")
        return content

    def _open(self, path: str) -> int:
        """Walk down part by part, so that no part can be a link, whenever it is put there."""
        *folders, name = path.split("/")
        # The root is the caller's own choice: it may well be a link.
        here = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                below = _open_at(here, folder, os.O_DIRECTORY)
                os.close(here)
                here = below
            # O_NONBLOCK: opening a pipe would otherwise wait for its writer.
            return _open_at(here, name, os.O_NONBLOCK)
        finally:
            os.close(here)


def _open_at(folder: int, name: str, flags: int) -> int:
    # O_NOFOLLOW with O_DIRECTORY says "not a directory" for a link: ask first, for the message.
    if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise MalformedError(f"{name!r} in a directory of published files is a symbolic link")
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=folder)
