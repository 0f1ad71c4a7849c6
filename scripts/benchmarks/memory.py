"""How much memory processes have had at most, as the kernel counts it for each program.

What `wait4` says of a child is no less than what its parent had when it started it.
"""

import re
import threading
from pathlib import Path

EVERY_SECONDS = 0.05


def peaks_mb(pid: int) -> list[float]:
    """Return the most memory of a process so far, and that of each it has started; none if gone."""
    own = Path(f"/proc/{pid}")
    try:
        # By thread: each lists what it has started.
        children = "".join(path.read_text() for path in own.glob("task/*/children")).split()
    except OSError:
        return []
    return [peak for each in (own.name, *children) if (peak := _peak_mb(each))]


def _peak_mb(pid: str) -> float:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


class Watched:
    """The most memory that a process has while the block runs, with those it starts.

    Attributes:
        mb: the largest sum of what they had; looked at so often that little escapes.
    """

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.mb = max(self.mb, sum(peaks_mb(self._pid)))
