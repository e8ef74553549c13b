"""A row of ours behind everything that was written before it: when it is on the other side, so is all of that."""

from __future__ import annotations

from migrations_app.engine.replication.crossing import Crossing

MARK = """
INSERT INTO _migration_portal.heartbeat (id, mark) VALUES (1, %s)
ON CONFLICT (id) DO UPDATE SET mark = excluded.mark, beat_at = clock_timestamp()
"""
WAIT_FOR_DISK = "SET synchronous_commit = on"


def write_mark(crossing: Crossing, token: str) -> None:
    """Commit a row with ``token`` on the server that is left; without a table of ours there, a message in its log.

    Either makes the server write out its log up to here, and its walsender send it.
    """
    job = crossing.job
    with job.source.connected(job.database.source_name, purpose="mark", read_only=False) as connection:
        connection.execute(WAIT_FOR_DISK)
        if crossing.plan.with_heartbeat:
            connection.execute(MARK, (token,))
        else:
            connection.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'pgmig', %s)", (token,))


def has_arrived(crossing: Crossing, token: str) -> bool:
    """Tell whether the row is on the server that is entered; without a table of ours only the position can tell."""
    if not crossing.plan.with_heartbeat:
        return True
    job = crossing.job
    with job.target.connected(job.database.target_name, purpose="mark", read_only=True) as connection:
        row = connection.execute("SELECT 1 FROM _migration_portal.heartbeat WHERE mark = %s", (token,)).fetchone()
    return row is not None
