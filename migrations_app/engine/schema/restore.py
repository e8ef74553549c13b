"""Restore entries of the dump on the target, each exactly once, each failure told by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors, sql
from migrations_app.engine.schema.toc import TocEntry

BATCH = 100
DEADLOCK_RETRIES = 5
RESTORE_SETTINGS = {
    "check_function_bodies": "off",
    "xmloption": "content",
    "client_min_messages": "warning",
    "synchronous_commit": "off",
    "default_tablespace": "",
}
Statement = Callable[[TocEntry], bytes]


def create_statement(entry: TocEntry) -> bytes:
    """Return what creates the entry's object."""
    return entry.sql


def owner_statement(entry: TocEntry) -> bytes:
    """Return what gives the entry's object to its owner."""
    return entry.owner_sql


@contextmanager
def restoring(job: DatabaseJob, *, purpose: str) -> Iterator[Connection]:
    """Open a connection to the target database on which pg_dump's statements mean what they say."""
    with job.target.connected(job.database.target_name, purpose=purpose) as connection:
        for name, value in RESTORE_SETTINGS.items():
            connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        yield connection


def restore(
    job: DatabaseJob,
    connection: Connection,
    entries: Sequence[TocEntry],
    *,
    phase: str,
    statement: Statement = create_statement,
    told: Statement | None = None,
    kind: str = "toc",
) -> None:
    """Restore entries in their order, many to a transaction; where one fails, each for itself.

    ``kind`` names the notes, so that an entry's creation and its change of owner are two pieces of work.
    ``told`` is what people are told to run where ``statement`` does more than that.
    """
    done = job.markers.read(connection, kind)
    todo = [entry for entry in entries if entry.key not in done and statement(entry)]
    for start in range(0, len(todo), BATCH):
        job.control.check()
        batch = todo[start : start + BATCH]
        try:
            _commit(job, connection, batch, statement=statement, kind=kind)
        except Error as error:
            if connection.closed or job.control.stopping or len(batch) == 0:
                raise
            if len(batch) == 1:
                _report(job, batch[0], error, statement=told or statement, phase=phase)
                continue
            for entry in batch:
                restore_one(job, connection, entry, phase=phase, statement=statement, told=told, kind=kind)


def restore_one(
    job: DatabaseJob,
    connection: Connection,
    entry: TocEntry,
    *,
    phase: str,
    statement: Statement = create_statement,
    told: Statement | None = None,
    kind: str = "toc",
) -> bool:
    """Restore one entry; return False after reporting that the server refused it."""
    for attempt in range(DEADLOCK_RETRIES):
        job.control.check()
        try:
            _commit(job, connection, [entry], statement=statement, kind=kind)
            return True
        except errors.DeadlockDetected:
            if attempt == DEADLOCK_RETRIES - 1:
                raise
        except Error as error:
            if connection.closed or job.control.stopping:
                raise
            _report(job, entry, error, statement=told or statement, phase=phase)
            return False
    return False


def _commit(
    job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry], *, statement: Statement, kind: str
) -> None:
    script = b"\n".join(statement(entry) for entry in entries)
    with connection.transaction():
        job.markers.hold_on(connection)
        connection.execute(script)
        job.markers.add(connection, kind=kind, keys=[entry.key for entry in entries])


def _report(job: DatabaseJob, entry: TocEntry, error: Error, *, statement: Statement, phase: str) -> None:
    job.object_failed(
        entry.label,
        statement=entry.shown(statement(entry)),
        server_message=str(error).strip(),
        phase=phase,
    )
