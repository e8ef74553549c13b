"""How full the disk of a server's log is, where our user may let the server run ``df``; nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.postgres.queries.reading import fetch_one

# A program runs in the data directory, and df follows a link to another disk.
DF = "LC_ALL=C df -Pk -- pg_wal/"
TABLE = sql.SQL("pg_temp._migration_portal_disk")


@dataclass(frozen=True)
class LogDisk:
    """The file system of ``pg_wal``, in bytes."""

    size: int
    free: int


@dataclass(frozen=True)
class _Rights:
    may_run: bool


def may_measure(connection: Connection) -> bool:
    """Tell whether the disk can be measured in this session, which must be one that may write."""
    row = connection.execute("SHOW transaction_read_only").fetchone()
    return row == ("off",) and fetch_one(connection, "may_run_programs", _Rights).may_run


def measure_log_disk(connection: Connection) -> LogDisk | None:
    """Return the disk, None where the server refuses (no temporary tables, no ``df``)."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("CREATE TEMPORARY TABLE _migration_portal_disk (line text)"))
            copy = sql.SQL("COPY {} FROM PROGRAM {} WITH (DELIMITER E'\\x01')")
            connection.execute(copy.format(TABLE, sql.Literal(DF)))
            lines = [str(row[0]) for row in connection.execute(sql.SQL("SELECT line FROM {}").format(TABLE))]
    except Error:
        if connection.broken or connection.closed:
            raise
        return None
    return _parse(lines)


def _parse(lines: list[str]) -> LogDisk | None:
    """Read df's second line: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/df.html"""
    words = lines[1].rsplit(maxsplit=5) if len(lines) > 1 else []
    if len(words) != 6 or not (words[1].isdigit() and words[3].isdigit()):
        return None
    return LogDisk(size=int(words[1]) * 1024, free=int(words[3]) * 1024)
