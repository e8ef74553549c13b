"""The proof of a fence: our own lock on every table that moves, which lets readers in and no writer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from migrations_app.engine.errors import ConnectionLost, EngineError
from migrations_app.engine.postgres import Connection, Error, errors, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.plan import FollowedTable

BATCH = 200
LOCK_TIMEOUT_SECONDS = 10
# A server reports what a session changed at the latest when the session ends, and one before 15 a moment later:
# https://www.postgresql.org/docs/14/monitoring-stats.html
REPORTED_WITHIN_SECONDS = 1.0
REPORTS_AT_ONCE_SINCE = 150000


class WriterInTheWay(EngineError):
    """Somebody holds a lock on a table and did not let go in time."""


@dataclass(frozen=True)
class Blocker:
    """Who holds a lock that ours has to wait for."""

    table: str
    mode: str
    pid: int | None
    user: str | None
    application: str | None
    kind: str
    address: str | None
    since: str | None
    query: str | None

    def __str__(self) -> str:
        """``process 4711 (autovacuum worker) on shop.orders since …: VACUUM``, for people."""
        who = "a prepared transaction" if self.pid is None else f"process {self.pid} ({self.user or self.kind})"
        parts = [f"{who} holds {self.mode} on {self.table}"]
        parts += [f" since {self.since}"] if self.since else []
        parts += [f": {self.query}"] if self.query else []
        return "".join(parts)


@dataclass(frozen=True)
class _Counters:
    schema: str
    name: str
    changes: int
    file: int | None


class TableFence:
    """Locks that are held. ``unlocked`` are tables that our user may not lock; their counters are watched instead."""

    def __init__(self, crossing: Crossing, holder: Connection, unlocked: Sequence[FollowedTable]) -> None:
        self._crossing = crossing
        self._holder = holder
        self.unlocked = tuple(unlocked)
        self.table_count = len(crossing.plan.tables)
        self._before = self._read_counters()

    def ping(self) -> None:
        """Make sure that the locks are still held; may be called from another thread. Raises ``ConnectionLost``."""
        try:
            self._holder.execute("SELECT 1")
        except Error as error:
            raise ConnectionLost(
                f"The session that keeps writers out of {self._crossing.left_words} was lost.",
                hint="Look whether the server was restarted; then cut over again.",
                server_message=str(error).strip(),
            ) from error

    def check(self) -> None:
        """Make sure that no writer can have come in since the fence closed. Raises ``EngineError``."""
        self.ping()
        changed = set(self._read_counters()) ^ set(self._before)
        if changed:
            names = sorted({f"{each.schema}.{each.name}" for each in changed})
            raise WriterInTheWay(
                f"Tables of {self._crossing.left_words} were written to behind the fence: {', '.join(names[:5])}.",
                hint="Find who writes there as the portal's own user or as a superuser; then cut over again.",
            )

    def _read_counters(self) -> list[_Counters]:
        if not self.unlocked:
            return []
        job = self._crossing.job
        with job.source.connected(job.database.source_name, purpose="counters") as connection:
            if connection.info.server_version < REPORTS_AT_ONCE_SINCE:
                time.sleep(REPORTED_WITHIN_SECONDS)
            schemas, names = zip(*(table.full_name for table in self.unlocked), strict=True)
            return fetch(connection, "fence_counters", _Counters, schemas=[*schemas], names=[*names])


@contextmanager
def locked_tables(crossing: Crossing) -> Iterator[TableFence]:
    """Hold a lock in EXCLUSIVE mode on every table that moves: readers are admitted, writers are not.

    Whoever had begun to write has ended when the lock is granted, and nobody begins while it is held.
    https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
    Raises ``WriterInTheWay`` with the names of those who hold it up.
    """
    job = crossing.job
    with job.source.connected(job.database.source_name, purpose="lock", read_only=False) as holder:
        holder.execute("BEGIN")
        holder.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{LOCK_TIMEOUT_SECONDS}s")))
        unlocked: list[FollowedTable] = []
        for start in range(0, len(crossing.plan.tables), BATCH):
            job.control.check()
            unlocked += _lock(crossing, holder, crossing.plan.tables[start : start + BATCH])
        yield TableFence(crossing, holder, unlocked)


def _lock(crossing: Crossing, holder: Connection, tables: Sequence[FollowedTable]) -> list[FollowedTable]:
    """Lock some tables; return those that our user may not lock."""
    names = sql.SQL(", ").join(qualified(*table.full_name) for table in tables)
    try:
        with holder.transaction():
            holder.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
    except errors.LockNotAvailable as error:
        crossing.job.control.check()
        raise _blocked(crossing, holder, error) from error
    except errors.InsufficientPrivilege:
        if len(tables) == 1:
            return [*tables]
        return [refused for table in tables for refused in _lock(crossing, holder, [table])]
    except Error as error:
        if holder.closed or crossing.job.control.stopping:
            raise
        raise explain_failure(
            str(error).strip(),
            endpoint=crossing.job.source.endpoint,
            sqlstate=error.sqlstate or "",
            kind=EngineError,
            what="The tables could not be locked",
        ) from error
    return []


def _blocked(crossing: Crossing, holder: Connection, error: Error) -> WriterInTheWay:
    job = crossing.job
    with job.source.connected(job.database.source_name, purpose="blockers") as connection:
        found = fetch(connection, "fence_blockers", Blocker, holder=holder.info.backend_pid)
    names = "; ".join(str(blocker) for blocker in found[:5]) or "whoever it was has let go since"
    return WriterInTheWay(
        f"The tables of {crossing.left_words} could not be closed to writers within {LOCK_TIMEOUT_SECONDS} s: {names}.",
        hint="Wait until it has ended, or end it, then cut over again.",
        server_message=str(error).strip(),
    )
