"""How far a slot was applied: one row on the subscriber, changed in the same transaction as the rows of the changes."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.errors import LeaseLost, TargetNotOurs
from migrations_app.engine.postgres import Connection, errors, sql
from migrations_app.engine.replication.batch import Tally
from migrations_app.engine.replication.lsn import lsn_text, parse_lsn

SCHEMA = "_migration_portal"
CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS _migration_portal.position (
    slot text PRIMARY KEY, fence bigint NOT NULL, lsn pg_lsn NOT NULL, inserts bigint NOT NULL DEFAULT 0,
    updates bigint NOT NULL DEFAULT 0, deletes bigint NOT NULL DEFAULT 0, truncates bigint NOT NULL DEFAULT 0,
    transactions bigint NOT NULL DEFAULT 0)
"""
TAKE_OVER = """
INSERT INTO _migration_portal.position AS p (slot, fence, lsn) VALUES (%(slot)s, %(fence)s, %(first_lsn)s::pg_lsn)
ON CONFLICT (slot) DO UPDATE SET fence = excluded.fence WHERE p.fence <= excluded.fence
"""
READ = """
SELECT lsn::text, inserts, updates, deletes, truncates, transactions FROM _migration_portal.position WHERE slot = %s
"""
MOVE = """
UPDATE _migration_portal.position
   SET lsn = %(lsn)s::pg_lsn, inserts = inserts + %(inserts)s, updates = updates + %(updates)s,
       deletes = deletes + %(deletes)s, truncates = truncates + %(truncates)s,
       transactions = transactions + %(transactions)s
 WHERE slot = %(slot)s AND fence = %(fence)s
"""
IS_EMPTY = """
SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = '_migration_portal' AND c.relkind <> 'i')
"""


@dataclass(frozen=True)
class Reached:
    """A place in the publisher's log, and how many changes were applied up to it."""

    lsn: int
    tally: Tally


@dataclass(frozen=True)
class Position:
    """The row of one slot. Every transaction of ours ends with ``move``: it fails once a newer run took over."""

    slot: str
    fence: int

    def take_over(self, connection: Connection, *, first_lsn: int) -> Reached:
        """Make the row where it is missing, raise its fence, and return it. Raises ``LeaseLost`` if we are older.

        ``first_lsn``: everything before it is in the subscriber's copy, or was applied by an earlier run.
        """
        if connection.execute("SELECT to_regclass('_migration_portal.position') IS NULL").fetchone() == (True,):
            self._create(connection)
        parameters = {"slot": self.slot, "fence": self.fence, "first_lsn": lsn_text(first_lsn)}
        if connection.execute(TAKE_OVER, parameters).rowcount != 1:
            raise LeaseLost("A newer run applies the changes of this database.")
        return self.read(connection) or Reached(first_lsn, Tally())

    @staticmethod
    def _create(connection: Connection) -> None:
        with connection.transaction():
            if connection.execute("SELECT to_regnamespace('_migration_portal') IS NULL").fetchone() == (True,):
                connection.execute("CREATE SCHEMA IF NOT EXISTS _migration_portal")
            connection.execute(CREATE_TABLE)

    def read(self, connection: Connection) -> Reached | None:
        """Return how far it is; None where nothing was applied yet."""
        if connection.execute("SELECT to_regclass('_migration_portal.position') IS NULL").fetchone() == (True,):
            return None
        row = connection.execute(READ, (self.slot,)).fetchone()
        return Reached(parse_lsn(row[0]), Tally(*row[1:])) if row else None

    def move(self, connection: Connection, *, lsn: int, tally: Tally) -> None:
        """Note in the caller's transaction that everything up to ``lsn`` is part of it. Raises ``LeaseLost``."""
        parameters = {
            "slot": self.slot,
            "fence": self.fence,
            "lsn": lsn_text(lsn),
            "inserts": tally.inserts,
            "updates": tally.updates,
            "deletes": tally.deletes,
            "truncates": tally.truncates,
            "transactions": tally.transactions,
        }
        try:
            changed = connection.execute(MOVE, parameters).rowcount
        except errors.UndefinedTable as error:
            raise position_is_gone(str(error)) from error
        if changed != 1:
            raise LeaseLost("A newer run applies the changes of this database.")

    def remove(self, connection: Connection) -> None:
        """Drop the row, and what is empty then; what is gone already is no error."""
        if connection.execute("SELECT to_regclass('_migration_portal.position') IS NULL").fetchone() == (True,):
            return
        with connection.transaction():
            connection.execute("DELETE FROM _migration_portal.position WHERE slot = %s", (self.slot,))
            if connection.execute("SELECT count(*) FROM _migration_portal.position").fetchone() == (0,):
                connection.execute("DROP TABLE _migration_portal.position")
                if connection.execute(IS_EMPTY).fetchone() == (True,):
                    connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(SCHEMA)))


def position_is_gone(server_message: str = "") -> TargetNotOurs:
    """Return the error for a position that was there before: from where to go on is not known any more."""
    return TargetNotOurs(
        "The portal's note of how far the changes were applied is gone.",
        hint="Somebody dropped _migration_portal.position where the changes arrive. Start a new migration of this "
        "database.",
        server_message=server_message,
    )
