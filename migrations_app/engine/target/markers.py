"""Our notes in the target database, committed together with the work they describe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_app.engine.errors import LeaseLost, TargetNotOurs
from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.postgres.server_errors import OTHER_RUN

SCHEMA = "_migration_portal"

CREATE = """
CREATE SCHEMA _migration_portal;
COMMENT ON SCHEMA _migration_portal IS
    'Notes of the PostgreSQL Migration Portal: this database is not complete yet. Dropped when it is.';
CREATE TABLE _migration_portal.run (migration_id text PRIMARY KEY, database_id text NOT NULL, fence bigint NOT NULL);
CREATE TABLE _migration_portal.marker (
    kind text NOT NULL, key text NOT NULL, detail text NOT NULL DEFAULT '', PRIMARY KEY (kind, key));
CREATE UNLOGGED TABLE _migration_portal.canary (alive boolean NOT NULL);
INSERT INTO _migration_portal.canary VALUES (true);
CREATE FUNCTION _migration_portal.hold(mine bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM _migration_portal.run WHERE fence = mine FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another run owns this migration' USING ERRCODE = 'PM001';
    END IF;
END $$;
"""


@dataclass(frozen=True)
class Markers:
    """The notes of one run in one target database.

    Every transaction of ours calls ``hold`` first: it fails once a newer run raised the fence.
    """

    migration_id: str
    database_id: str
    fence: int

    def install(self, connection: Connection) -> None:
        """Create the schema of notes in a new, empty database."""
        with connection.transaction():
            connection.execute(CREATE)
            connection.execute(
                "INSERT INTO _migration_portal.run VALUES (%s, %s, %s)",
                (self.migration_id, self.database_id, self.fence),
            )

    def are_ours(self, connection: Connection) -> bool:
        """Tell whether this database carries the notes of this migration's database."""
        if connection.execute("SELECT to_regclass('_migration_portal.run') IS NULL").fetchone() == (True,):
            return False
        row = connection.execute("SELECT migration_id, database_id FROM _migration_portal.run").fetchone()
        return row == (self.migration_id, self.database_id)

    def take_over(self, connection: Connection) -> None:
        """Raise the fence: from now on no older run can commit anything here. Raises ``LeaseLost`` if we are older."""
        connection.execute("SET lock_timeout = '30s'")
        changed = connection.execute(
            "UPDATE _migration_portal.run SET fence = %s WHERE migration_id = %s AND fence <= %s",
            (self.fence, self.migration_id, self.fence),
        )
        connection.execute("SET lock_timeout = 0")
        if changed.rowcount != 1:
            raise LeaseLost("A newer run works on this target database.")

    @property
    def hold(self) -> str:
        """The statement that begins every transaction of ours."""
        return f"SELECT _migration_portal.hold({int(self.fence)})"

    def hold_on(self, connection: Connection) -> None:
        """Run ``hold`` on a connection; raises ``LeaseLost`` when a newer run owns the migration."""
        try:
            connection.execute(self.hold.encode())
        except Error as error:
            if error.sqlstate == OTHER_RUN:
                raise LeaseLost("A newer run works on this target database.") from error
            if error.sqlstate in ("3F000", "42883", "42P01"):  # schema, function or table is missing
                raise TargetNotOurs(
                    "The portal's notes in the target database are gone.",
                    hint="Somebody changed the target while the migration ran. Start a new migration of this database.",
                    server_message=str(error),
                ) from error
            raise

    def add(self, connection: Connection, *, kind: str, keys: Iterable[str], detail: str = "") -> None:
        """Note that the work named by ``keys`` is done, in the caller's transaction."""
        connection.cursor().executemany(
            "INSERT INTO _migration_portal.marker (kind, key, detail) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(kind, key, detail) for key in keys],
        )

    def insert_statement(self, *, kind: str, key: str, detail: str) -> str:
        """Return the statement that notes one piece of work, for a psql."""
        values = sql.SQL(", ").join(sql.Literal(value) for value in (kind, key, detail))
        statement = sql.SQL("INSERT INTO _migration_portal.marker (kind, key, detail) VALUES ({})").format(values)
        return statement.as_string(None)

    def read(self, connection: Connection, kind: str) -> dict[str, str]:
        """Return the notes of a kind: key to detail."""
        rows = connection.execute("SELECT key, detail FROM _migration_portal.marker WHERE kind = %s", (kind,))
        return {row[0]: row[1] for row in rows}

    def forget(self, connection: Connection, *, kind: str, keys: Iterable[str]) -> None:
        """Take notes back, in the caller's transaction."""
        connection.execute("DELETE FROM _migration_portal.marker WHERE kind = %s AND key = ANY(%s)", (kind, list(keys)))

    @staticmethod
    def remove(connection: Connection) -> None:
        """Drop the notes: the database is complete."""
        connection.execute("DROP SCHEMA IF EXISTS _migration_portal CASCADE")
