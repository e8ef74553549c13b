"""One random online run: the move over wires, its dice, what was done to it, and how to wait while it is run again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, LeaseLost, Stopped
from migrations_app.engine.events import CaughtUp, CutoverStepStarted, Event
from migrations_app.engine.migrating import Outcome
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.cutover_steps import CutoverStep
from migrations_app.engine.spec import MigrationSpec, VerificationLevel
from tests.engine.following_online import OnlineMove
from tests.engine.online_child import ChildMove
from tests.fixtures.wires import Wire
from tests.fixtures.workload import Workload

PATIENCE_SECONDS, STUCK_SECONDS = 180.0, 60.0
ACTIVITY = (
    "SELECT pid, application_name, backend_type, state, wait_event_type, wait_event, now() - query_start, query_start,"
    " pg_blocking_pids(pid), left(query, 300) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type IN"
    " ('client backend', 'walsender', 'logical replication apply worker')"
)
CLOSE_BYTES = 8 * 1024 * 1024


@dataclass
class WiredMove(ChildMove):
    """Both servers are reached over wires; with ``in_child`` each run is a process."""

    source_wire: Wire | None = None
    target_wire: Wire | None = None
    in_child: bool = True

    @property
    def spec(self) -> MigrationSpec:
        """The migration, as it reaches its servers."""
        found = super().spec
        assert self.source_wire is not None and self.target_wire is not None
        source, target = (
            replace(endpoint, port=wire.port)
            for endpoint, wire in ((found.source, self.source_wire), (found.target, self.target_wire))
        )
        return replace(found, source=source, target=target)

    def _migrate(self) -> Outcome:
        return super()._migrate() if self.in_child else OnlineMove._migrate(self)


@dataclass
class Stage:
    """What faults act on. ``said`` tells what was done, each as ``kind: detail``."""

    move: WiredMove
    dice: random.Random
    workload: Workload
    said: list[str] = field(default_factory=list)
    stop_at: CutoverStep | None = None
    findings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.move.on_event = self._see

    @property
    def database(self) -> str:
        """The database that moves."""
        return self.move.databases[0]

    @property
    def is_running(self) -> bool:
        """True while somebody follows."""
        return self.move.thread is not None and self.move.thread.is_alive()

    def _see(self, event: Event) -> None:
        """End the run where it was said; the child waits for our answer meanwhile."""
        if self.stop_at is None or not isinstance(event, CutoverStepStarted) or event.step is not self.stop_at:
            return
        self.stop_at = None
        self.said.append(f"run ended at step {event.step}")
        if self.move.in_child and self.move.process is not None:
            self.move.process.kill()
        else:
            self.move.control.stop(LeaseLost("Another worker owns the migration."))

    def keep_running(self) -> None:
        """Run again, as the portal does for a run that is over, and a person for one that could not begin."""
        move = self.move
        if move.thread is None or move.thread.is_alive():
            return
        passing = (Stopped, ConnectionLost, ConnectionFailed)
        assert move.error is None or isinstance(move.error, passing), move.error
        if move.outcome is not None and move.outcome.look_again_seconds is None:
            return
        self.findings += [f"{each.code} {each.level}: {each.saw}" for each in move.log.findings]
        move.start()

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS, *, why: str = "") -> None:
        """Wait for something, running again what is over; fail at once where a database failed."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.keep_running()
            log = self.move.log
            assert not log.failures, log.failures
            assert time.monotonic() < deadline, self._why(why)
            time.sleep(0.05)

    def _why(self, words: str) -> str:
        log = self.move.log
        return f"{words}: {log.notes[-10:]} {log.findings} {self.move.samples[-1:]} {self.activity()}"

    def until_caught_up(self) -> None:
        """Wait until the database waits for its cutover."""
        self.until(lambda: any(isinstance(event, CaughtUp) for event in list(self.move.log.events)), why="caught up")

    def until_close(self) -> None:
        """Wait until little is left to apply; fail where nothing moves for a minute."""
        moved_at, applied = time.monotonic(), 0
        deadline = moved_at + 2 * PATIENCE_SECONDS
        while True:
            self.keep_running()
            samples = self.move.samples[-1:]
            if samples and samples[0].lag_bytes < CLOSE_BYTES:
                return
            if samples and samples[0].status.applied_lsn > applied:
                moved_at, applied = time.monotonic(), samples[0].status.applied_lsn
            now = time.monotonic()
            is_stuck = now > deadline or now - moved_at > STUCK_SECONDS
            assert not is_stuck, (samples, self.move.log.notes[-5:], self.activity())
            time.sleep(0.2)

    def until_applied(self, lsn: int) -> None:
        """Wait until everything before a place in the log is on the other side."""
        self.until(lambda: any(each.status.applied_lsn >= lsn for each in self.move.samples[-1:]), why="applied")

    def activity(self) -> str:
        """What the sessions of both servers do, for people who look why nothing moves."""
        return "\n".join(server.psql(ACTIVITY) for server in (self.move.source, self.move.target))

    @property
    def has_ended(self) -> bool:
        """True when the database has ended, well or badly."""
        move = self.move
        return not self.is_running and move.outcome is not None and move.outcome.look_again_seconds is None

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for something without running anything."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def ask(self, kind: RequestKind, *, level: VerificationLevel = VerificationLevel.FULL) -> str:
        """Ask as a person does; return the number of the request."""
        return self.move.requests.ask(kind, self.move.id_of(self.database), level).id

    def found(self, code: str) -> bool:
        """Tell whether the current run told a finding of this code."""
        return any(finding.code == code for finding in self.move.log.findings)

    def answer(
        self, kind: RequestKind, *, level: VerificationLevel = VerificationLevel.FULL, seconds: float = PATIENCE_SECONDS
    ) -> tuple[bool, str]:
        """Ask as a person does and wait for the answer, whatever happens to the run meanwhile."""
        number = self.ask(kind, level=level)
        self.until(lambda: number in self.move.requests.ended, seconds, why=f"answer to {kind}")
        return self.move.requests.ended[number]
