"""Unlogged tables are emptied when their server crashes; an unlogged table of our own tells that it happened."""

from __future__ import annotations

from migrations_app.engine.errors import ConnectionLost
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection
from migrations_app.engine.table_copy.again import AGAIN
from migrations_app.engine.table_copy.statements import table_key

UNLOGGED = (
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname <> '_migration_portal'"
)


def forget_emptied_tables(job: DatabaseJob) -> None:
    """If the target crashed since the last time, note that its unlogged tables are to be copied again.

    Some may have been copied after the crash, by a run that did not notice it: so they are emptied before that, too.
    https://www.postgresql.org/docs/18/sql-createtable.html#SQL-CREATETABLE-UNLOGGED
    """
    with job.target.connected(job.database.target_name, purpose="unlogged") as connection, connection.transaction():
        job.markers.hold_on(connection)
        if not _has_crashed(connection):
            return
        connection.execute("INSERT INTO _migration_portal.canary VALUES (true)")
        copied = {key.rpartition("#")[0] for key in job.markers.read(connection, "part")}
        again = [key for row in connection.execute(UNLOGGED).fetchall() if (key := table_key(*row)) in copied]
        job.markers.add(connection, kind=AGAIN, keys=again)
    if again:
        job.note(
            "The target server crashed meanwhile and emptied its unlogged tables; they are copied again.",
            level=Level.WARNING,
        )


def require_no_crash(job: DatabaseJob, connection: Connection) -> None:
    """Raise ``ConnectionLost`` if the target crashed since ``forget_emptied_tables``, though no session noticed it."""
    if _has_crashed(connection):
        raise ConnectionLost(
            f"{job.target.endpoint.label} crashed while tables were copied.",
            hint="Unlogged tables may be empty now; they are copied again.",
        )


def _has_crashed(connection: Connection) -> bool:
    return connection.execute("SELECT count(*) FROM _migration_portal.canary").fetchone() != (1,)
