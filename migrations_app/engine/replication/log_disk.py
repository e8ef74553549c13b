"""How full the disk of a server's log is, where our user may let the server run ``df``; nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.probe_disk import DiskNotMeasured, DiskSpace, measure_disk

LOG = "pg_wal/"  # a program runs in the data directory, and df follows a link to another disk


@dataclass(frozen=True)
class _Rights:
    may_run: bool


def may_measure(connection: Connection) -> bool:
    """Tell whether the disk can be measured in this session, which must be one that may write."""
    row = connection.execute("SHOW transaction_read_only").fetchone()
    return row == ("off",) and fetch_one(connection, "may_run_programs", _Rights).may_run


def measure_log_disk(connection: Connection) -> DiskSpace | None:
    """Return the disk, None where the server refuses (no temporary tables, no ``df``)."""
    try:
        return measure_disk(connection, LOG)
    except DiskNotMeasured:
        return None
