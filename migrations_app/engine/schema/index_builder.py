"""Build the indexes of a table as soon as its rows are there, while other tables still copy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterable
from functools import partial

from migrations_app.engine.crew import Crew
from migrations_app.engine.events import IndexesPlanned, IndexFinished, IndexStarted
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, qualified, queries, sql
from migrations_app.engine.schema.restore import restore_one, restoring
from migrations_app.engine.schema.toc import TocEntry

TableName = tuple[str, str]
INDEX_TYPES = ("CONSTRAINT", "INDEX")


def read_index_owners(connection: Connection) -> dict[tuple[int, int], TableName]:
    """Return (class OID, OID) of each index or index-backed constraint to the table it belongs to."""
    rows = connection.execute(queries.get("index_owners", server_version=connection.info.server_version), {})
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def indexes_of_tables(
    entries: Iterable[TocEntry], *, owners: dict[tuple[int, int], TableName], tables: Iterable[TablePlan]
) -> dict[TableName, list[TocEntry]]:
    """Return the entries that build indexes of copied tables, constraints first; others stay for later."""
    found: dict[TableName, list[TocEntry]] = {(table.schema, table.name): [] for table in tables}
    for entry in entries:
        owner = owners.get((entry.class_oid, entry.oid))
        if entry.type in INDEX_TYPES and owner in found:
            found[owner].append(entry)
    for name in found:
        found[name].sort(key=lambda entry: entry.type)
    return found


class IndexBuilder:
    """Takes complete tables from a queue; each worker builds the indexes of one table and analyzes it."""

    def __init__(self, job: DatabaseJob, entries: dict[TableName, list[TocEntry]]) -> None:
        self._job = job
        self._entries = entries
        self._ready: queue.SimpleQueue[TablePlan | None] = queue.SimpleQueue()
        self.running: dict[str, tuple[str, str, str]] = {}

    def announce(self) -> None:
        """Tell how many indexes each table has."""
        counts = tuple((schema, table, len(found)) for (schema, table), found in self._entries.items() if found)
        self._job.reporter.report(IndexesPlanned(self._job.database.id, counts))

    def table_is_ready(self, table: TablePlan) -> None:
        """The rows of this table are complete on the target."""
        self._ready.put(table)

    def start(self, crew: Crew) -> list[threading.Thread]:
        """Start the index workers."""
        return [crew.start(f"index-{n}", partial(self._work, f"index{n}")) for n in range(self._job.jobs)]

    def no_more_tables(self) -> None:
        """Let the workers end when the queue is empty."""
        for _ in range(self._job.jobs):
            self._ready.put(None)

    def _work(self, purpose: str) -> None:
        with restoring(self._job, purpose=purpose) as connection:
            done = self._job.markers.read(connection, "toc").keys()
            while (table := self._next()) is not None:
                self._build(connection, table, purpose=purpose, done=done)

    def _next(self) -> TablePlan | None:
        while True:
            self._job.control.check()
            try:
                return self._ready.get(timeout=0.5)
            except queue.Empty:
                continue

    def _build(self, connection: Connection, table: TablePlan, *, purpose: str, done: Collection[str]) -> None:
        job, database = self._job, self._job.database
        for entry in self._entries[table.schema, table.name]:
            name = entry.name.removeprefix(f"{table.name} ") if entry.type == "CONSTRAINT" else entry.name
            job.reporter.report(IndexStarted(database.id, table.schema, table.name, name))
            self.running[purpose] = (table.schema, table.name, name)
            built = entry.key in done or restore_one(job, connection, entry, phase="indexes")
            self.running.pop(purpose, None)
            if built:
                job.reporter.report(IndexFinished(database.id, table.schema, table.name, name))
        job.control.check()
        connection.execute(sql.SQL("ANALYZE {}").format(qualified(table.schema, table.name)))
