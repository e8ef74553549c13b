"""A lock between processes that the kernel opens when its holder dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
from types import TracebackType


class DeathProofLock:
    """A POSIX record lock on an unnamed file, shared by fork; re-entrant within a thread.

    multiprocessing's own locks are semaphores: a process that is killed holding one locks out everybody for ever.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the lock exists
        self._forget()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock; False if it was not free (in ``timeout`` seconds)."""
        if self._pid != os.getpid():
            self._forget()
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._threads.acquire(block, -1 if timeout is None or not block else max(timeout, 0)):
            return False
        if self._depth == 0 and not self._lock_file(block=block, deadline=deadline):
            self._threads.release()
            return False
        self._depth += 1
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._depth -= 1
        if self._depth == 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _forget(self) -> None:
        """A forked child holds nothing, whatever its parent held."""
        self._depth, self._pid, self._threads = 0, os.getpid(), threading.RLock()

    def _lock_file(self, *, block: bool, deadline: float | None) -> bool:
        if block and deadline is None:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            return True
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except (BlockingIOError, PermissionError):
                if not block or deadline is None or time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
