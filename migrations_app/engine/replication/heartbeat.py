"""A row that beats on the publishing server and arrives with the changes: how old it is there is the lag in seconds."""

from __future__ import annotations

from datetime import datetime

from migrations_app.engine.postgres import Connection, Server, sql

SCHEMA, TABLE = "_migration_portal", "heartbeat"
NAME = sql.SQL("_migration_portal.heartbeat")
# ``mark`` is what a cutover writes behind its fence.
CREATE = """
CREATE TABLE IF NOT EXISTS _migration_portal.heartbeat (
    id int PRIMARY KEY, beat_at timestamptz NOT NULL DEFAULT clock_timestamp(), mark text)
"""
BEAT = """
INSERT INTO _migration_portal.heartbeat (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp()
"""


def make_heartbeat(server: Server, database: str) -> None:
    """Make the table, and the schema where it is missing; the one on the source only with consent. May be repeated."""
    with server.connected(database, purpose="heartbeat", read_only=False) as connection, connection.transaction():
        if connection.execute("SELECT to_regnamespace('_migration_portal') IS NULL").fetchone() == (True,):
            connection.execute("CREATE SCHEMA _migration_portal")
            connection.execute(
                "COMMENT ON SCHEMA _migration_portal IS 'Made by the PostgreSQL Migration Portal for an online "
                "migration; dropped when it ends.'"
            )
        connection.execute(CREATE)


def beat(publisher: Connection) -> None:
    """Write the row anew; the session must be one that may write. Its commit need not wait for the disk."""
    publisher.execute("SET synchronous_commit = off")
    publisher.execute(BEAT)


def read_beat(subscriber: Connection) -> datetime | None:
    """Return when the newest beat that has arrived was written, by the publisher's clock; None before the first."""
    row = subscriber.execute("SELECT max(beat_at) FROM _migration_portal.heartbeat").fetchone()
    return row[0] if row else None


def drop_heartbeat(server: Server, database: str) -> None:
    """Drop table and schema on the source; the target's schema holds the notes and is not dropped by this."""
    with server.connected(database, purpose="heartbeat", read_only=False) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("DROP SCHEMA IF EXISTS _migration_portal CASCADE")
