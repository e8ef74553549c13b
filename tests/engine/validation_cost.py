"""Count what a validation costs: time, CPU, memory, statements and connections, and the time of each rule."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from migrations_app.engine.findings import Finding
from migrations_app.engine.validation import runner
from migrations_app.engine.validation.rule import Rule
from tests.fixtures.servers import RunningServer

MIB = 1024 * 1024
SHOWN_RULES = 6


@dataclass(frozen=True)
class Use:
    """What a server has done since it started: transactions (of one statement each), sessions, seconds of CPU."""

    statements: int
    sessions: int
    cpu_seconds: float

    @classmethod
    def of(cls, server: RunningServer) -> Use:
        """Read the counters, once the sessions have told theirs; the sessions of this look count as well."""
        time.sleep(1.5)
        row = server.psql("SELECT sum(xact_commit + xact_rollback), sum(sessions) FROM pg_stat_database").split("|")
        return cls(int(row[0]), int(row[1]), _cpu_seconds(_postmaster(server)))

    def since(self, before: Use) -> str:
        """Say what was done since ``before``."""
        return (
            f"{self.statements - before.statements:,} statements in {self.sessions - before.sessions:,} sessions, "
            f"{self.cpu_seconds - before.cpu_seconds:.1f} s CPU"
        )


class Sessions(threading.Thread):
    """Samples how much memory of its own the largest process of each server has."""

    def __init__(self, *servers: RunningServer) -> None:
        super().__init__(daemon=True)
        self.servers = servers
        self.largest = dict.fromkeys(servers, 0)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.5):
            for server in self.servers:
                own = [_own_bytes(child.pid) for child in _postmaster(server).children()]
                self.largest[server] = max([self.largest[server], *own])

    def stop(self) -> None:
        self._ended.set()
        self.join()


@dataclass
class RuleTimes:
    """Seconds of each rule, added up over all databases and threads, and its longest run."""

    total: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    longest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the time of every rule from now on."""
        for name in ("SERVER_RULES", "DATABASE_RULES"):
            rules: list[Rule[Any]] = getattr(runner, name)
            monkeypatch.setattr(runner, name, [replace(rule, check=self._timed(rule)) for rule in rules])

    def _timed(self, rule: Rule[Any]) -> Callable[[Any], Iterable[Finding]]:
        def check(context: Any) -> Iterator[Finding]:
            began_at = time.monotonic()
            try:
                yield from rule.check(context)
            finally:
                seconds = time.monotonic() - began_at
                with self.lock:
                    self.total[rule.name] += seconds
                    self.longest[rule.name] = max(self.longest[rule.name], seconds)

        return check

    def __str__(self) -> str:
        slowest = Counter(self.total).most_common(SHOWN_RULES)
        return ", ".join(f"{name} {seconds:.1f} s (longest {self.longest[name]:.1f})" for name, seconds in slowest)


def cpu_seconds_here() -> float:
    """Seconds of CPU of this process."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def size_of(findings: Iterable[Finding]) -> str:
    """Say how many findings there are, how much text, and which."""
    findings = list(findings)
    text = sum(len(each.saw) + len(each.why) + len(each.fix) + len(each.fix_sql) for each in findings)
    largest = max((len(each.fix_sql) for each in findings), default=0)
    kinds = dict(Counter(f"{each.level} {each.code}" for each in findings))
    return f"{len(findings):,} findings, {text / MIB:.1f} MiB of text (largest script {largest / MIB:.1f} MiB): {kinds}"


def _postmaster(server: RunningServer) -> psutil.Process:
    assert server.cluster.pid is not None
    return psutil.Process(server.cluster.pid)


def _cpu_seconds(postmaster: psutil.Process) -> float:
    """CPU of the server's processes, those that have ended included."""
    seconds = 0.0
    for process in (postmaster, *postmaster.children()):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def _own_bytes(pid: int) -> int:
    """Memory that a process shares with no other, in bytes; 0 when it has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private"))
    return 0
