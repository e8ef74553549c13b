"""Remove what carried the changes of one direction: apply, slot and publication; what is gone already is no error."""

from __future__ import annotations

import time

from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Connection, Error, Server, errors, sql
from migrations_app.engine.replication.crossing import Crossing

FREED_WITHIN_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.1
SLOT = "SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"
DROP_SLOT = "SELECT pg_catalog.pg_drop_replication_slot(%s)"


def remove_link(crossing: Crossing) -> None:
    """Remove apply, slot and publication of a direction that is no longer needed.

    What cannot be removed now is told with the statements, and removed at the end of the migration.
    """
    job = crossing.job
    try:
        crossing.engine.stop()
        crossing.engine.remove()
        drop_slot(job.source, job.database.source_name, crossing.link.name)
        drop_publications(job.source, job.database.source_name, crossing.link.name)
    except Stopped:
        raise
    except EngineError as error:
        statements = " ".join(statements_to_remove(crossing.link.name))
        job.note(
            f"What carried the changes could not be removed yet ({error.message}). It holds back the log of "
            f"{job.source.endpoint.label}: remove it there in {job.database.source_name} with: {statements}",
            level=Level.WARNING,
        )


def statements_to_remove(name: str) -> list[str]:
    """Return what a person types on the publishing server, in the published database."""
    return [
        sql.SQL("SELECT pg_drop_replication_slot({});").format(sql.Literal(name)).as_string(None),
        sql.SQL("DROP PUBLICATION IF EXISTS {};").format(sql.Identifier(name)).as_string(None),
    ]


def drop_slot(server: Server, database: str, name: str) -> bool:
    """Drop a slot, ending whoever still reads from it; False where there is none. Raises ``EngineError``."""
    with server.connected(database, purpose="drop-slot", read_only=False) as connection:
        deadline = time.monotonic() + FREED_WITHIN_SECONDS
        while row := connection.execute(SLOT, (name,)).fetchone():
            server.control.check()
            if row[0] is not None:
                connection.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (row[0],))
            if _is_dropped(connection, name, last_try=time.monotonic() > deadline):
                return True
            time.sleep(LOOK_EVERY_SECONDS)
    return False


def _is_dropped(connection: Connection, name: str, *, last_try: bool) -> bool:
    try:
        connection.execute(DROP_SLOT, (name,))
    except errors.ObjectInUse:
        if last_try:
            raise
        return False
    except errors.UndefinedObject:
        return True
    return True


def drop_publications(server: Server, database: str, name: str) -> list[str]:
    """Drop the publication ``name`` and those whose names begin with it and ``_``; return their names."""
    with server.connected(database, purpose="drop-publication", read_only=False) as connection:
        rows = connection.execute(
            "SELECT pubname::text FROM pg_catalog.pg_publication"
            " WHERE pubname = %(name)s OR left(pubname, length(%(name)s) + 1) = %(name)s || '_' ORDER BY 1",
            {"name": name},
        )
        names = [row[0] for row in rows]
        for each in names:
            connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(each)))
    return names


def drop_subscription(server: Server, database: str, name: str) -> bool:
    """Drop a subscription and leave its slot alone; False where there is none. Raises ``EngineError``.

    The publishing server may be gone: https://www.postgresql.org/docs/18/sql-dropsubscription.html
    """
    with server.connected(database, purpose="drop-subscription", read_only=False) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_catalog.pg_stat_subscription WHERE subname = %s", (name,)
        ).fetchone()
        if found is None:
            return False
        identifier = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(identifier))
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(identifier))
        connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(identifier))
    return True


def words_of(error: Error) -> str:
    """Return what a server said, on one line."""
    return " ".join(str(error).split())
