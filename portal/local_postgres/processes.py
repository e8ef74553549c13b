"""Which processes belong to a data directory. PostgreSQL's processes all work in it, so the kernel can tell."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.02


def recorded_pid(lock_file: Path) -> int | None:
    """Return the process id in a lock file of PostgreSQL, whether or not that process lives."""
    try:
        return abs(int(lock_file.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return None


def recorded_data_dir(lock_file: Path) -> Path:
    """Return the data directory named in a lock file of PostgreSQL."""
    return Path(lock_file.read_text().split("\n")[1])


def postmaster_pid(data_dir: Path) -> int | None:
    """Return the process id of the server that runs in ``data_dir``, or None."""
    pid = recorded_pid(data_dir / "postmaster.pid")
    return pid if pid and works_in(pid, data_dir) else None


def is_alive(pid: int) -> bool:
    """Tell whether any process has this id, dead but not yet waited for included, as kill(2) sees it."""
    return Path(f"/proc/{pid}").exists()


def works_in(pid: int, data_dir: Path) -> bool:
    """Tell whether ``pid`` is alive and a process of the cluster in ``data_dir``; a recycled pid is not."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data_dir.resolve() and not _is_zombie(pid)
    except OSError:  # gone, a zombie, or another user's
        return False


def processes_in(data_dir: Path) -> list[int]:
    """Return every living process of the cluster, including those that a killed server left behind."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if works_in(pid, data_dir) and _program(pid) == "postgres"]


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may just have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until_gone(data_dir: Path, *, timeout_seconds: float) -> bool:
    """Wait until no process of the cluster is left; False if the time did not suffice."""
    deadline = time.monotonic() + timeout_seconds
    while processes_in(data_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _program(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
