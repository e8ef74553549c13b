"""Build the indexes of a table as soon as its rows are there, while other tables still copy."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial

from migrations_app.engine.crew import Crew
from migrations_app.engine.events import IndexesPlanned, IndexFinished, IndexStarted
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, queries
from migrations_app.engine.schema.restore import restore_one, restoring
from migrations_app.engine.schema.toc import TocEntry
from migrations_app.engine.target.statistics import analyze

TableName = tuple[str, str]
INDEX_TYPES = ("CONSTRAINT", "INDEX")
STATISTICS = "STATISTICS"  # ANALYZE fills them, so they must be there before it
LOOK_EVERY_SECONDS = 0.5


def read_index_owners(connection: Connection) -> dict[tuple[int, int], TableName]:
    """Return (class OID, OID) of each index, index-backed constraint or statistics object to its table."""
    rows = connection.execute(queries.get("index_owners", server_version=connection.info.server_version), {})
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def indexes_of_tables(
    entries: Iterable[TocEntry], *, owners: dict[tuple[int, int], TableName], tables: Iterable[TablePlan]
) -> dict[TableName, list[TocEntry]]:
    """Return the entries that follow the rows of copied tables, constraints first; others stay for later."""
    found: dict[TableName, list[TocEntry]] = {(table.schema, table.name): [] for table in tables}
    for entry in entries:
        owner = owners.get((entry.class_oid, entry.oid))
        if entry.type in (*INDEX_TYPES, STATISTICS) and owner in found:
            found[owner].append(entry)
    for name in found:
        found[name].sort(key=lambda entry: entry.type)
    return found


def keeps_others_out(entry: TocEntry) -> bool:
    """Tell whether the entry locks its table against the building of another index.

    ALTER TABLE does: ADD CONSTRAINT, and CLUSTER ON or REPLICA IDENTITY behind a CREATE INDEX.
    https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
    """
    return entry.type != "INDEX" or b"ALTER TABLE" in entry.sql


@dataclass(frozen=True)
class Build:
    """Entries of one table that one worker builds, one after the other."""

    table: TablePlan
    entries: tuple[TocEntry, ...]


class IndexBuilder:
    """Takes complete tables from a queue; several workers build a large table's indexes at once, the last analyzes it.

    What locks the table against the others is built first, by one worker.
    """

    def __init__(self, job: DatabaseJob, entries: dict[TableName, list[TocEntry]]) -> None:
        self._job = job
        self._entries = entries
        self._wake = threading.Condition()
        self._todo: deque[Build] = deque()
        self._left: dict[TableName, int] = {}
        self._side_by_side: dict[TableName, list[Build]] = {}
        self._is_last_told = False
        self.running: dict[str, tuple[str, str, str]] = {}

    def announce(self) -> None:
        """Tell how many indexes each table has."""
        counts = (
            (schema, table, sum(entry.type in INDEX_TYPES for entry in found))
            for (schema, table), found in self._entries.items()
        )
        self._job.reporter.report(IndexesPlanned(self._job.database.id, tuple(each for each in counts if each[2])))

    def table_is_ready(self, table: TablePlan) -> None:
        """The rows of this table are complete on the target."""
        name = (table.schema, table.name)
        entries = self._entries[name]
        alone = Build(table, tuple(entry for entry in entries if keeps_others_out(entry)))
        others = [Build(table, (entry,)) for entry in entries if not keeps_others_out(entry)]
        with self._wake:
            self._left[name] = 1 + len(others)
            self._side_by_side[name] = others
            self._todo.append(alone)
            self._wake.notify()

    def start(self, crew: Crew) -> list[threading.Thread]:
        """Start the index workers."""
        return [crew.start(f"index-{n}", partial(self._work, f"index{n}")) for n in range(self._job.jobs)]

    def no_more_tables(self) -> None:
        """Let the workers end when every table is done."""
        with self._wake:
            self._is_last_told = True
            self._wake.notify_all()

    def _work(self, purpose: str) -> None:
        with restoring(self._job, purpose=purpose) as connection:
            done = self._job.markers.read(connection, "toc").keys()
            while (build := self._next()) is not None:
                for entry in build.entries:
                    self._build(connection, build.table, entry, purpose=purpose, done=done)
                if self._is_last_of_table(build):
                    self._analyze(connection, build.table)

    def _next(self) -> Build | None:
        with self._wake:
            while not self._todo:
                self._job.control.check()
                if self._is_last_told and not self._left:
                    return None
                self._wake.wait(LOOK_EVERY_SECONDS)
            return self._todo.popleft()

    def _is_last_of_table(self, build: Build) -> bool:
        """Offer what may now be built side by side; a large table's indexes before those of tables still waiting."""
        name = (build.table.schema, build.table.name)
        with self._wake:
            self._todo.extendleft(reversed(self._side_by_side.pop(name, [])))
            self._left[name] -= 1
            is_last = self._left[name] == 0
            self._wake.notify_all()
        return is_last

    def _build(
        self, connection: Connection, table: TablePlan, entry: TocEntry, *, purpose: str, done: Collection[str]
    ) -> None:
        job, database = self._job, self._job.database
        if entry.type not in INDEX_TYPES:
            if entry.key not in done:
                restore_one(job, connection, entry, phase="indexes")
            return
        name = entry.name.removeprefix(f"{table.name} ") if entry.type == "CONSTRAINT" else entry.name
        job.reporter.report(IndexStarted(database.id, table.schema, table.name, name))
        self.running[purpose] = (table.schema, table.name, name)
        built = entry.key in done or restore_one(job, connection, entry, phase="indexes")
        self.running.pop(purpose, None)
        if built:
            job.reporter.report(IndexFinished(database.id, table.schema, table.name, name))

    def _analyze(self, connection: Connection, table: TablePlan) -> None:
        analyze(self._job, connection, table.full_name)
        with self._wake:
            del self._left[table.schema, table.name]
            self._wake.notify_all()
