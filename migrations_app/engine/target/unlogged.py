"""Unlogged tables are emptied when their server crashes; an unlogged table of our own tells that it happened."""

from __future__ import annotations

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.table_copy.statements import table_key


def forget_emptied_tables(job: DatabaseJob) -> None:
    """If the target crashed since the last time, forget that unlogged tables were copied: they are empty now.

    https://www.postgresql.org/docs/18/sql-createtable.html#SQL-CREATETABLE-UNLOGGED
    """
    with job.target.connected(job.database.target_name, purpose="unlogged") as connection, connection.transaction():
        job.markers.hold_on(connection)
        if connection.execute("SELECT count(*) FROM _migration_portal.canary").fetchone() == (1,):
            return
        connection.execute("INSERT INTO _migration_portal.canary VALUES (true)")
        emptied = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname <> '_migration_portal'"
        ).fetchall()
        forgotten = connection.execute(
            "DELETE FROM _migration_portal.marker"
            " WHERE kind = 'part' AND regexp_replace(key, '#[0-9]+$', '') = ANY (%s)",
            ([table_key(schema, name) for schema, name in emptied],),
        ).rowcount
        if forgotten:
            job.markers.forget(connection, kind="step", keys=["copied"])
    if forgotten:
        job.note(
            "The target server crashed meanwhile and emptied its unlogged tables; they are copied again.",
            level=Level.WARNING,
        )
