"""Run the engine between two test servers, and compare what pg_dump says of both sides."""

from __future__ import annotations

import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError
from migrations_app.engine.events import CutoverEnded, DatabaseFailed, Event, FindingRaised, Note, ObjectVerified
from migrations_app.engine.findings import Finding
from migrations_app.engine.offline import Outcome, migrate
from migrations_app.engine.postgres.client_tools import client_tools
from migrations_app.engine.spec import (
    DatabaseSpec,
    MigrationOption,
    MigrationSpec,
    Options,
    Selection,
    Side,
    VerificationLevel,
)
from tests.fixtures.servers import RunningServer

# Lines of a dump that may differ: who wrote it, and the one-time key of psql's restricted mode.
VOLATILE = re.compile(r"^(-- Dumped |\\(un)?restrict |-- Started on|-- Completed on)")


class EventLog:
    """A reporter that keeps everything; ``on_event`` is called for each event."""

    def __init__(self, on_event: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self.on_event = on_event
        self._lock = threading.Lock()

    def report(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)
        if self.on_event:
            self.on_event(event)

    @property
    def findings(self) -> list[Finding]:
        return [event.finding for event in self.events if isinstance(event, FindingRaised)]

    @property
    def failures(self) -> list[DatabaseFailed]:
        return [event for event in self.events if isinstance(event, DatabaseFailed)]

    @property
    def ended(self) -> list[CutoverEnded]:
        return [event for event in self.events if isinstance(event, CutoverEnded)]

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Note)]

    @property
    def differences(self) -> list[ObjectVerified]:
        return [event for event in self.events if isinstance(event, ObjectVerified) and event.result != "identical"]


@dataclass
class Move:
    """A migration of some databases that can be run, interrupted and run again."""

    source: RunningServer
    target: RunningServer
    databases: Sequence[str | tuple[str, str]]
    work_dir: Path
    options: Options = field(default_factory=lambda: Options(jobs=2, verification=VerificationLevel.FULL))
    option: MigrationOption = MigrationOption.MIGRATE
    overwrite: bool = False
    selection: Selection = field(default_factory=Selection)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    fence: int = 0
    queues: dict[str, MemoryPartQueue] = field(default_factory=dict)
    log: EventLog = field(default_factory=EventLog)
    control: Control = field(default_factory=lambda: Control(fence=0))
    source_user: tuple[str, str] | None = None
    target_user: tuple[str, str] | None = None
    source_type: str = "OnPremises"

    @property
    def spec(self) -> MigrationSpec:
        source = self.source.endpoint(Side.SOURCE)
        target = self.target.endpoint(Side.TARGET)
        if self.source_user:
            source = replace(source, user=self.source_user[0], password=self.source_user[1])
        if self.target_user:
            target = replace(target, user=self.target_user[0], password=self.target_user[1])
        pairs = [(d, d) if isinstance(d, str) else d for d in self.databases]
        return MigrationSpec(
            id=self.id,
            name="test",
            source=source,
            target=target,
            databases=tuple(
                DatabaseSpec(
                    id=str(uuid.uuid5(uuid.NAMESPACE_OID, self.id + name)),
                    source_name=name,
                    target_name=renamed,
                    overwrite=self.overwrite,
                    selection=self.selection,
                )
                for name, renamed in pairs
            ),
            source_type=self.source_type,
            option=self.option,
            options=self.options,
            validated=self.fence > 1,
        )

    def run(self, *, on_event: Callable[[Event], None] | None = None) -> Outcome:
        """Run (again); a later run has a higher fence and the same queue, as the portal's rows would be."""
        self.fence += 1
        self.log = EventLog(on_event)
        self.control = Control(fence=self.fence)
        return migrate(
            self.spec,
            reporter=self.log,
            control=self.control,
            queue_for=lambda database: self.queues.setdefault(database.id, MemoryPartQueue()),
            work_dir=self.work_dir,
        )

    def must_succeed(self) -> Outcome:
        """Run and show everything that went wrong if it did."""
        outcome = self.run()
        problems = [*self.log.failures, *self.log.differences, *(f for f in self.log.findings if f.level == "Failed")]
        assert outcome.succeeded, problems or outcome
        return outcome

    def error(self) -> EngineError:
        """Run and return the error of the only database."""
        (database,) = self.run().databases
        assert database.error is not None
        return database.error


def dump(server: RunningServer, database: str) -> list[str]:
    """Return what pg_dump says of a database, schema and rows, without the lines that differ by nature."""
    tools = client_tools()
    run = subprocess.run(
        [tools.path("pg_dump"), "--dbname", server.cluster.conninfo(database=database)],
        env=dict(tools.environment),
        capture_output=True,
        check=True,
    )
    return [line for line in run.stdout.decode(errors="replace").splitlines() if not VOLATILE.match(line)]


def assert_same_dump(move: Move) -> None:
    """An independent proof: pg_dump prints the same for both sides."""
    for name in move.databases:
        before, after = (name, name) if isinstance(name, str) else name
        pairs = zip_longest(dump(move.source, before), dump(move.target, after))
        # One line is told, not all: a comparison of long lists takes pytest minutes to print.
        assert next((pair for pair in pairs if pair[0] != pair[1]), None) is None


def nothing_left(move: Move) -> None:
    """No session of ours on either server, and no notes in the target."""
    for server in (move.source, move.target):
        sessions = server.psql("SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%'")
        assert sessions.strip() == ""
