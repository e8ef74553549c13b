"""Keep every writer out of a database, and prove it: until the other one is open, or all is as it was before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.patience import patiently
from migrations_app.engine.postgres import Connection, Error, Server
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.cutover_notes import FenceNote
from migrations_app.engine.replication.database_access import (
    DatabaseAccess,
    close_access,
    may_close,
    read_access,
    reopening_statements,
    restore_access,
)
from migrations_app.engine.replication.phases import Phase
from migrations_app.engine.replication.table_fence import TableFence, locked_tables
from migrations_app.engine.validation.wording import counted

ENDING_SECONDS = 15
COMES_AGAIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05


class FenceRefused(EngineError):
    """Writers could not be kept out, or it could not be proved that they are."""


@dataclass(frozen=True)
class Session:
    """A session of somebody else, as far as our user may see it."""

    pid: int
    user: str | None
    is_superuser: bool
    address: str | None
    application: str | None
    state: str | None
    since: str | None
    query: str | None
    is_writing: bool = False

    def __str__(self) -> str:
        """``process 4711 of role shop from 10.0.0.7, application pgbench``, for people."""
        parts = [f"process {self.pid} of role {self.user or 'unknown'}"]
        parts += [f" from {self.address}"] if self.address else []
        parts += [f", application {self.application}"] if self.application else []
        return "".join(parts)


@dataclass(frozen=True)
class Prepared:
    """A prepared transaction."""

    gid: str
    owner: str
    since: str

    def __str__(self) -> str:
        """``transaction 'x' of role shop, prepared at …``, for people."""
        return f"transaction {self.gid!r} of role {self.owner}, prepared at {self.since}"


@dataclass(frozen=True)
class ClosedFence:
    """A fence that is closed and proved."""

    sessions_ended: int
    tables: TableFence


def note_access(crossing: Crossing) -> DatabaseAccess:
    """Read who may connect to the database that is left, and note it where it survives us, before it is closed.

    Raises ``FenceRefused`` where our user may not close it.
    """
    job, database = crossing.job, crossing.job.database.source_name
    with job.source.connected(purpose="fence") as connection:
        access = read_access(connection, database)
        if not may_close(connection, database):
            raise FenceRefused(
                f"{connection.info.user} may not close the database {database} on {job.source.endpoint.label}.",
                hint=f"Only the owner of the database may: grant {access.owner} to {connection.info.user}.",
            )
    crossing.notes.write_fence(crossing.direction, FenceNote(datetime.now(UTC).isoformat(), access))
    return access


@contextmanager
def closed_fence(crossing: Crossing, access: DatabaseAccess) -> Iterator[ClosedFence]:
    """Close the database that is left, and keep its tables locked while inside. It is *not* reopened at the end.

    Raises ``FenceRefused``, ``WriterInTheWay``, or the reason to stop; then, too, ``reopen`` has to follow.
    """
    job, database = crossing.job, crossing.job.database.source_name
    with job.source.connected(purpose="fence", read_only=False) as connection:
        close_access(connection, database, access=access)
        ended = end_sessions(connection, database, tag=run_tag(job.source), control=job.control)
        _refuse_prepared(connection, database)
    with locked_tables(crossing) as tables:
        yield ClosedFence(ended, tables)


def run_tag(server: Server) -> str:
    """Return how the sessions of this migration begin, whatever run they belong to: ``pgmig/<migration>/``."""
    return server.tag.rpartition("/")[0] + "/"


def other_sessions(connection: Connection, database: str, *, tag: str) -> list[Session]:
    """Return the sessions of others in a database."""
    return fetch(connection, "fence_sessions", Session, database=database, tag=tag)


def end_sessions(connection: Connection, database: str, *, tag: str, control: Control) -> int:
    """End all sessions of others in a database and wait until they are gone; return how many were ended.

    Superusers and whoever logs in as our own user can come again, and a superuser's session we may not end: the lock on
    the tables keeps them from writing. Raises ``FenceRefused``, with names, for anybody else.
    """
    began_at, seen = time.monotonic(), set[int]()
    while sessions := other_sessions(connection, database, tag=tag):
        control.check()
        refused = {each: words for each in sessions if (words := _end(connection, each))}
        seen |= {each.pid for each in sessions if each not in refused}
        ordinary = [each for each in sessions if not (each.is_superuser or each.user == connection.info.user)]
        if words := next((refused[each] for each in ordinary if each in refused), ""):
            raise _not_ended(connection, database, [each for each in ordinary if each in refused], server_message=words)
        waited = time.monotonic() - began_at
        if not ordinary and (waited > COMES_AGAIN_SECONDS or len(refused) == len(sessions)):
            return len(seen)
        if waited > ENDING_SECONDS:
            raise _not_ended(connection, database, sessions, server_message="")
        time.sleep(LOOK_AGAIN_SECONDS)
    return len(seen)


def _end(connection: Connection, session: Session) -> str:
    """End a session; return the server's words where that is refused, else an empty text."""
    try:
        connection.execute("SELECT pg_terminate_backend(%s)", (session.pid,))
    except Error as error:
        if connection.closed:
            raise
        return str(error).strip()
    return ""


def _not_ended(connection: Connection, database: str, sessions: list[Session], *, server_message: str) -> FenceRefused:
    names = "; ".join(str(session) for session in sessions[:5])
    return FenceRefused(
        f"{counted(len(sessions), 'session')} in {database} could not be ended: {names}.",
        hint=f"End them by hand, or run as an administrator: GRANT pg_signal_backend TO {connection.info.user};",
        server_message=server_message,
    )


def prepared_transactions(connection: Connection, database: str) -> list[Prepared]:
    """Return the prepared transactions of a database."""
    return fetch(connection, "fence_prepared", Prepared, database=database)


def _refuse_prepared(connection: Connection, database: str) -> None:
    if prepared := prepared_transactions(connection, database):
        raise FenceRefused(
            f"{database} has prepared transactions: {'; '.join(map(str, prepared[:5]))}.",
            hint="Commit each with COMMIT PREPARED or roll it back with ROLLBACK PREPARED, then cut over again.",
        )


def reopen(crossing: Crossing, access: DatabaseAccess | None = None, *, phase: Phase | None = None) -> bool:
    """Put back what the fence changed, and forget the note of it; False where no fence was noted.

    ``access`` is what was there, where the caller knows it: then it is put back even if the notes cannot be read.
    ``phase`` is noted as the one in which the move is then.
    Raises like ``restore_noted``; then the note stays, and a later run tries again.
    """
    access = access or noted_access(crossing)
    if access is None:
        return False
    restore_noted(crossing.job, access)
    crossing.notes.forget_fence(crossing.direction, phase=phase)
    return True


def restore_noted(job: DatabaseJob, access: DatabaseAccess) -> None:
    """Put back who may connect to the source database of ``job``; wait about two minutes for a server that is away.

    Raises ``EngineError`` with what to type by hand.
    """
    database, label = job.database.source_name, job.source.endpoint.label
    try:
        refused = patiently(lambda: _restore(job, access), control=job.control, reporter=job.reporter)
    except EngineError as error:
        raise EngineError(
            f"{database} on {label} is still closed to everybody but the portal's user: {error.message}",
            hint=how_to_reopen(database, access),
            server_message=error.server_message,
        ) from error
    if refused:
        job.note(
            f"Some grants of {database} on {label} could not be given back; a role may be gone. "
            f"Run there: {' '.join(refused)}",
            level=Level.WARNING,
        )


def noted_access(crossing: Crossing) -> DatabaseAccess | None:
    """Return what the notes say was there before the fence; None where no fence is noted."""
    note = crossing.notes.read_fence(crossing.direction)
    return None if note is None else note.access


def _restore(job: DatabaseJob, access: DatabaseAccess) -> list[str]:
    with job.source.connected(purpose="reopen", read_only=False) as connection:
        return restore_access(connection, job.database.source_name, access=access)


def how_to_reopen(database: str, access: DatabaseAccess) -> str:
    """Return in words what opens a fenced database by hand, each statement on a line of its own."""
    return "\n".join(["To open it by hand, run as its owner:", *reopening_statements(database, access)])
