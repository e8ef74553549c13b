"""Processes, their descendants and their ends."""

from __future__ import annotations

import ctypes
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
MARK_VARIABLE = "PORTAL_LAUNCHED_AS"

# Loaded before any fork: a child between fork and exec must not load libraries.
LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Launched:
    """A process that we started. Its mark is in its environment and in that of all it starts.

    So neither a recycled process id nor a dead main process can mislead us.
    """

    pid: int
    mark: str

    def is_alive(self) -> bool:
        """Tell whether this very process lives."""
        return is_marked(self.pid, self.mark)

    def tree(self) -> list[psutil.Process]:
        """Return every living process of this service: those that carry its mark, and their descendants."""
        members = {pid: psutil.Process(pid) for pid in psutil.pids() if is_marked(pid, self.mark)}
        for process in list(members.values()):
            with suppress(psutil.Error):
                members |= {child.pid: child for child in process.children(recursive=True)}
        return list(members.values())

    def ask_to_end(self) -> None:
        """Send SIGTERM to the main process."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill_tree(self, *, timeout_seconds: float = 5) -> int:
        """Kill every process of this service; returns how many. What is born meanwhile is killed too."""
        killed: set[int] = set()
        deadline = time.monotonic() + timeout_seconds
        while (members := self.tree()) and time.monotonic() < deadline:
            for process in members:
                with suppress(psutil.Error):
                    process.kill()
                    killed.add(process.pid)
            psutil.wait_procs(members, timeout=POLL_SECONDS)
        return len(killed)


def new_mark() -> str:
    """Return a mark for a process about to be started."""
    return uuid.uuid4().hex


def is_marked(pid: int, mark: str) -> bool:
    """Tell whether the process lives and carries the mark; what we may not look into is not ours."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return f"{MARK_VARIABLE}={mark}".encode("ascii") in stream.read().split(b"\0")
    except OSError:
        return False


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; call it in the child, before exec."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(condition: Callable[[], bool], *, timeout_seconds: float, poll_seconds: float = POLL_SECONDS) -> bool:
    """Wait until ``condition`` holds; False if it did not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
