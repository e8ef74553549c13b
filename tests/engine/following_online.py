"""Move databases online between two test servers: run the engine in a thread, write on the source, ask as people do."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, EngineError
from migrations_app.engine.events import CaughtUp, DatabaseFinished, Event, ReplicationSampled, ReplicationStarted
from migrations_app.engine.migrating import Outcome
from migrations_app.engine.online import clean_up, clean_up_again, migrate
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import (
    DatabaseSpec,
    MigrationMode,
    MigrationOption,
    MigrationSpec,
    OnlineOptions,
    Options,
    Selection,
    Side,
    VerificationLevel,
)
from tests.engine.moving import EventLog, dump
from tests.fixtures.servers import RunningServer

PATIENCE_SECONDS = 60.0
ROWS = 'SELECT t::text FROM {} AS t ORDER BY t::text COLLATE "C"'


class ListedRequests:
    """What people asked for, in memory."""

    def __init__(self) -> None:
        self.asked: list[PersonRequest] = []
        self.ended: dict[str, tuple[bool, str]] = {}
        self._lock = threading.Lock()

    def ask(
        self,
        kind: RequestKind,
        database_id: str,
        verification: VerificationLevel = VerificationLevel.FULL,
        subject: str = "",
    ) -> PersonRequest:
        with self._lock:
            request = PersonRequest(str(len(self.asked)), kind, database_id, verification, subject=subject)
            self.asked.append(request)
        return request

    def pending(self, database_id: str) -> PersonRequest | None:
        with self._lock:
            waiting = (each for each in self.asked if each.database_id == database_id and each.id not in self.ended)
            return next(waiting, None)

    def end(self, request: PersonRequest, *, succeeded: bool, message: str = "") -> None:
        with self._lock:
            self.ended[request.id] = (succeeded, message)


@dataclass
class OnlineMove:
    """An online migration that can be run, interrupted and run again; ``start`` runs it in a thread."""

    source: RunningServer
    target: RunningServer
    databases: Sequence[str]
    work_dir: Path
    online: OnlineOptions = field(default_factory=lambda: OnlineOptions(cutover_seconds=60, sequence_headroom=0))
    selection: Selection = field(default_factory=Selection)
    source_user: tuple[str, str] | None = None
    target_user: tuple[str, str] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    fence: int = 0
    queues: dict[str, MemoryPartQueue] = field(default_factory=dict)
    requests: ListedRequests = field(default_factory=ListedRequests)
    log: EventLog = field(default_factory=EventLog)
    control: Control = field(default_factory=lambda: Control(fence=0))
    finished: dict[str, str] = field(default_factory=dict)
    on_event: Callable[[Event], None] | None = None
    outcome: Outcome | None = None
    error: BaseException | None = None
    thread: threading.Thread | None = None

    @property
    def spec(self) -> MigrationSpec:
        source, target = self.source.endpoint(Side.SOURCE), self.target.endpoint(Side.TARGET)
        if self.source_user:
            source = replace(source, user=self.source_user[0], password=self.source_user[1])
        if self.target_user:
            target = replace(target, user=self.target_user[0], password=self.target_user[1])
        return MigrationSpec(
            id=self.id,
            name="test",
            source=source,
            target=target,
            databases=tuple(
                DatabaseSpec(
                    self.id_of(name),
                    name,
                    name,
                    selection=self.selection,
                    finished=self.finished.get(self.id_of(name), ""),
                )
                for name in self.databases
            ),
            option=MigrationOption.MIGRATE,
            mode=MigrationMode.ONLINE,
            options=Options(jobs=2),
            online=self.online,
            validated=self.fence > 1,
        )

    def id_of(self, database: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.id + database))

    def name_of(self, database: str) -> str:
        """The name of publication, slot and subscription."""
        return replication_name(self.id, database_id=self.id_of(database))

    # --- run it ---

    def run(self) -> Outcome:
        """Run (again) in this thread; a later run has a higher fence."""
        self.fence += 1
        self.log, self.control = EventLog(self._store), Control(fence=self.fence)
        return self._migrate()

    def _store(self, event: Event) -> None:
        """Keep how a database ended, as the portal's rows do."""
        if self.on_event is not None:
            self.on_event(event)
        if isinstance(event, DatabaseFinished):
            self.finished[event.database_id] = event.verified

    def _migrate(self) -> Outcome:
        return migrate(
            self.spec,
            reporter=self.log,
            control=self.control,
            queue_for=lambda database: self.queues.setdefault(database.id, MemoryPartQueue()),
            work_dir=self.work_dir,
            requests=self.requests,
        )

    def start(self) -> None:
        """Run (again) in a thread."""
        self.fence += 1
        self.log, self.control = EventLog(self._store), Control(fence=self.fence)
        self.outcome = self.error = None

        def work() -> None:
            try:
                self.outcome = self._migrate()
            except BaseException as error:  # noqa: BLE001 - looked at by the test
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait until the run has returned."""
        assert self.thread is not None
        self.thread.join(seconds)
        assert not self.thread.is_alive(), self.log.notes[-10:]
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome

    def stop(self) -> None:
        """Stop the run as a person who cancels does."""
        self.control.stop(Canceled("A test ends."))
        if self.thread is not None:
            self.thread.join(PATIENCE_SECONDS)

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for something; fail at once where the run ended by an error."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.error is None, self.error
            assert not self.log.failures, self.log.failures
            assert time.monotonic() < deadline, [*self.log.notes[-10:], *self.log.findings, *self.samples[-1:]]
            time.sleep(0.05)

    def until_caught_up(self) -> None:
        """Wait until every database waits for its cutover; run again where a run had nothing to do any more."""
        wanted = {self.id_of(name) for name in self.databases}
        self.until(lambda: wanted <= {e.database_id for e in self.log.events if isinstance(e, CaughtUp)})

    @property
    def samples(self) -> list[ReplicationSampled]:
        return [event for event in self.log.events if isinstance(event, ReplicationSampled)]

    @property
    def started(self) -> list[ReplicationStarted]:
        return [event for event in self.log.events if isinstance(event, ReplicationStarted)]

    # --- write and compare ---

    def write(self, script: str, database: str | None = None) -> None:
        self.source.psql(script, database=database or self.databases[0])

    def rows(self, server: RunningServer, table: str, database: str | None = None) -> str:
        return server.psql(ROWS.replace("{}", table), database=database or self.databases[0])

    def same(self, table: str, database: str | None = None) -> bool:
        return self.rows(self.source, table, database) == self.rows(self.target, table, database)

    def until_same(self, *tables: str, database: str | None = None) -> None:
        """Wait until the rows of tables are equal on both servers."""
        self.until(lambda: all(self.same(table, database) for table in tables))

    def assert_same_dump(self, database: str | None = None) -> None:
        """An independent proof: pg_dump prints the same for both sides, rows in any order."""
        name = database or self.databases[0]
        pairs = zip_longest(sorted(dump(self.source, name)), sorted(dump(self.target, name)))
        differing = next((pair for pair in pairs if pair[0] != pair[1]), None)
        assert differing is None, differing

    # --- ask ---

    def ask(
        self,
        kind: RequestKind,
        database: str | None = None,
        *,
        subject: str = "",
        seconds: float = PATIENCE_SECONDS,
    ) -> str:
        """Ask as a person does and wait until it was carried out; return the message, fail where it was not."""
        succeeded, message = self.answer(kind, database, subject=subject, seconds=seconds)
        assert succeeded, message
        return message

    def answer(
        self,
        kind: RequestKind,
        database: str | None = None,
        *,
        subject: str = "",
        seconds: float = PATIENCE_SECONDS,
    ) -> tuple[bool, str]:
        request = self.requests.ask(kind, self.id_of(database or self.databases[0]), subject=subject)

        def is_answered() -> bool:
            if request.id not in self.requests.ended and (self.thread is None or not self.thread.is_alive()):
                self.start()  # as the portal does when somebody asks, also just after a run had nothing to do
            return request.id in self.requests.ended

        self.until(is_answered, seconds)
        return self.requests.ended[request.id]

    def clean_up(self) -> None:
        """Clean up as the portal does after a failure."""
        clean_up(self.spec, reporter=self.log, control=Control(fence=self.fence))

    def remove(self) -> None:
        """Drop everything on both servers, whatever happened."""
        for name in self.databases:
            _remove(self, name)

    def clean_up_again(self) -> list[tuple[str, list[str], list[str], list[str]]]:
        """Clean up as a person asks: side, and what was found, is kept and is left there, as kinds."""
        self.fence += 1
        return [
            (swept.side.value, *([each.kind for each in part] for part in (swept.before, swept.kept, swept.left)))
            for _, swept in clean_up_again(self.spec, reporter=self.log, control=Control(fence=self.fence))
        ]

    def left_on(self, server: RunningServer, database: str | None = None) -> str:
        """What bears our names on a server, by a look that is not the product's."""
        return server.psql(
            "SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_name LIKE 'pgmig%' AND database ="
            " current_database() UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE"
            " 'pgmig%' UNION ALL SELECT 'subscription ' || subname FROM pg_stat_subscription WHERE subname LIKE"
            " 'pgmig%' AND subid IN (SELECT oid FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database"
            " WHERE datname = current_database()))",
            database=database or self.databases[0],
        )


Kind = TypeVar("Kind", bound=OnlineMove)


@contextmanager
def moving_online(
    source: RunningServer,
    target: RunningServer,
    work_dir: Path,
    *,
    schema: str,
    count: int = 1,
    kind: type[Kind] = OnlineMove,  # type: ignore[assignment]
    **options: object,
) -> Iterator[Kind]:
    """Make databases of one schema on the source, and remove everything at the end, whatever happened."""
    names = [f"on_{uuid.uuid4().hex[:10]}" for _ in range(count)]
    for name in names:
        source.create_database(name)
        source.psql(schema, database=name)
    move = kind(source, target, names, work_dir, **options)  # type: ignore[arg-type]
    try:
        yield move
    finally:
        move.stop()
        move.remove()


def _remove(move: OnlineMove, database: str) -> None:
    for server in (move.target, move.source):
        if not server.cluster.is_running():
            continue
        if server.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{database}'").strip() == "1":
            for name in server.psql(
                "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname ="
                f" '{database}')"
            ).split():
                server.psql(
                    f"SET default_transaction_read_only = off; ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE);"
                    f"DROP SUBSCRIPTION {name}",
                    database=database,
                )
        slots = f"FROM pg_replication_slots WHERE database = '{database}'"
        deadline = time.monotonic() + 20
        while server.psql(f"SELECT count(*) {slots}").strip() != "0":
            assert time.monotonic() < deadline
            server.psql(f"SELECT pg_terminate_backend(active_pid) {slots} AND active_pid IS NOT NULL")
            server.psql(f"SELECT pg_drop_replication_slot(slot_name) {slots} AND NOT active")
        server.drop_database(database)


__all__ = ["EngineError", "ListedRequests", "OnlineMove", "moving_online"]
