"""One long-lived program of the portal: started, watched, restarted with growing pauses, ended as a tree."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from portal.launcher.console import log
from portal.launcher.log_files import open_log
from portal.launcher.process_table import Entry
from portal.launcher.process_tree import MARK_VARIABLE, Launched, die_with_parent, new_mark
from portal.places import BASE_DIR, Places

PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)
HEALTHY_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """What to run. ``grace_seconds``: how long it may take to end after SIGTERM."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 5.0


@dataclass(frozen=True)
class Running:
    """A service's process. ``started_at`` is in seconds since 1970."""

    process: subprocess.Popen[bytes]
    launched: Launched
    started_at: float

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return time.time() - self.started_at

    def kill(self) -> None:
        """Kill the whole tree."""
        self.launched.kill_tree()
        self.process.wait()


class ServiceRunner:
    """Keeps one service running."""

    def __init__(self, service: Service, *, places: Places) -> None:
        self.service = service
        self.restarts = 0
        self._places = places
        self._running: Running | None = None
        self._short_lives_in_a_row = 0
        self._start_not_before = 0.0

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.service.name

    @property
    def uptime_seconds(self) -> float:
        """Seconds since its last start; 0 while it does not run."""
        return self._running.uptime_seconds if self._running else 0.0

    def entry(self) -> Entry | None:
        """Return what the process table says about it; None while it does not run."""
        if self._running is None:
            return None
        launched = self._running.launched
        return Entry(self.name, launched.pid, launched.mark, self._running.started_at, self.restarts)

    def tick(self) -> bool:
        """Notice an end, start when it is time; True when something changed."""
        if self._running and self._running.process.poll() is not None:
            log(f"{self.name} (process {self._running.launched.pid}) ended: {self._running.process.returncode}")
            self._note_end(self._running)
            return True
        if self._running is None and time.monotonic() >= self._start_not_before:
            self._running = start(self.service, places=self._places)
            log(f"started {self.name} (process {self._running.launched.pid})")
            return True
        return False

    def restart(self, reason: str) -> None:
        """Kill the whole tree; the next tick starts it again."""
        if self._running:
            log(f"restarting {self.name}: {reason}")
            self._note_end(self._running)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._running:
            self._running.launched.ask_to_end()

    def finish(self, *, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for the end, then kill what is left of the tree."""
        if self._running is None:
            return
        try:
            self._running.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log(f"{self.name} did not end in {self.service.grace_seconds:.0f} s; killing it")
        self._running.kill()
        self._running = None

    def _note_end(self, ended: Running) -> None:
        """Clear the remains and decide when to start again: at once the first time, later the more often it fails."""
        ended.kill()
        self._running = None
        self.restarts += 1
        short = ended.uptime_seconds < HEALTHY_AFTER_SECONDS
        self._short_lives_in_a_row = self._short_lives_in_a_row + 1 if short else 0
        pause = PAUSES_SECONDS[min(max(self._short_lives_in_a_row - 1, 0), len(PAUSES_SECONDS) - 1)]
        self._start_not_before = time.monotonic() + pause


def inherited_environment() -> dict[str, str]:
    """Return our environment without the first administrator's password: no service needs it."""
    return {name: value for name, value in os.environ.items() if name != "PORTAL_ADMIN_PASSWORD"}


def start(service: Service, *, places: Places) -> Running:
    """Start a service in a session of its own, its output going to its log; it dies with this process."""
    mark = new_mark()
    with open(open_log(places, service.name), "wb") as output:
        process = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=BASE_DIR,
            env={**inherited_environment(), **service.environment, MARK_VARIABLE: mark},
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    return Running(process, Launched(process.pid, mark), time.time())
