"""One launcher per data folder: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.launcher.process_tree import wait_for
from portal.places import Places


class AlreadyRunning(Exception):
    """Another launcher holds the lock."""


def lock_file(places: Places) -> Path:
    """Return the file whose lock means "a launcher runs here"; it holds that launcher's process id."""
    return places.run_dir / "launcher.lock"


@contextmanager
def only_instance(places: Places) -> Iterator[None]:
    """Hold the lock. Raises ``AlreadyRunning``."""
    descriptor = os.open(lock_file(places), os.O_RDWR | os.O_CREAT, 0o600)
    # Somebody who only asks for the running launcher holds the lock for a moment too.
    if not wait_for(lambda: _try_lock(descriptor), timeout_seconds=1):
        os.close(descriptor)
        raise AlreadyRunning
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def running_pid(places: Places) -> int | None:
    """Return the process id of the launcher that runs, or None."""
    try:
        descriptor = os.open(lock_file(places), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        written = b"" if _try_lock(descriptor) else os.pread(descriptor, 20, 0)
    finally:
        os.close(descriptor)
    return int(written) if written.isdigit() else None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
