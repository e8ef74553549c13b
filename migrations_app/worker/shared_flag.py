"""``multiprocessing.Event`` without a lock that a killed process could keep."""

from __future__ import annotations

import mmap
import time

POLL_SECONDS = 0.1


class SharedFlag:
    """One byte of memory shared by fork; waiting is polling."""

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def is_set(self) -> bool:
        """Tell whether the flag is up."""
        return self._byte[0] == 1

    def set(self) -> None:
        """Raise the flag."""
        self._byte[0] = 1

    def clear(self) -> None:
        """Take the flag down."""
        self._byte[0] = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether the flag is up, after ``timeout`` seconds at most."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                return False
            time.sleep(left)
        return True
