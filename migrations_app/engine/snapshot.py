"""One consistent view of the source: held by one connection, imported by all readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from migrations_app.engine.errors import ConnectionLost, EngineError
from migrations_app.engine.postgres import Connection, Server, errors, sql

IMPORT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True)
class Snapshot:
    """An exported snapshot. ``name`` is what others import; ``extent`` is pg_current_snapshot() in text.

    ``holder`` is the connection whose transaction keeps the snapshot, and the locks on its tables.

    https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
    """

    server: Server
    database: str
    name: str
    extent: str
    holder: Connection

    def import_commands(self) -> tuple[str, str, str]:
        """Return the statements with which a psql joins the snapshot."""
        return (IMPORT, f"SET TRANSACTION SNAPSHOT '{self.name}'", "SET LOCAL row_security = off")

    @contextmanager
    def reader(self, purpose: str) -> Iterator[Connection]:
        """Open a connection that sees exactly this snapshot."""
        with self.server.connected(self.database, purpose=purpose) as connection:
            join(connection, self.name)
            yield connection


def hold_view(connection: Connection) -> None:
    """Begin a transaction on ``connection`` that sees the database as it is now, whatever others write meanwhile."""
    connection.execute(IMPORT)


def join(connection: Connection, name: str) -> None:
    """Begin a transaction on ``connection`` that sees the exported snapshot ``name``.

    Raises ``ConnectionLost`` where the snapshot ended with the session that exported it.
    """
    connection.execute(IMPORT)
    try:
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name)))
    except (errors.InvalidParameterValue, errors.UndefinedObject, errors.ObjectNotInPrerequisiteState) as error:
        raise ConnectionLost(
            "The snapshot of the source is gone with the session that held it.", server_message=str(error).strip()
        ) from error
    # The snapshot's holder has locked every table; who has to wait here waits behind somebody who waits for us.
    connection.execute("SET LOCAL lock_timeout = '15s'")


@contextmanager
def hold_snapshot(server: Server, database: str, *, exported: str = "") -> Iterator[Snapshot]:
    """Export a snapshot of ``database`` and keep it alive while inside.

    ``exported`` names a snapshot of another session, such as that of a new slot, to take over.
    Raises ``ConnectionLost`` when the snapshot was lost, whatever other error that led to.
    """
    with server.connected(database, purpose="snapshot") as connection:
        if exported:
            join(connection, exported)
        else:
            hold_view(connection)
        row = connection.execute(
            "SELECT pg_export_snapshot(), txid_current_snapshot()::text, pg_is_in_recovery()"
        ).fetchone()
        if row is None:
            raise AssertionError("pg_export_snapshot() returned no row")
        name, extent, is_standby = row
        # A standby does not know which transactions of the primary run: equal texts prove nothing there.
        extent = f"standby {uuid4()}" if is_standby else extent
        try:
            yield Snapshot(server, database, name=name, extent=extent, holder=connection)
        except EngineError:
            # If the server went away, so did the snapshot, and that is what the others stumbled over.
            connection.execute("SELECT 1")
            raise
