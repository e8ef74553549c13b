"""Collect statistics: nothing is lost where it is refused, and the server tries again by itself."""

from __future__ import annotations

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, qualified, sql


def analyze(job: DatabaseJob, connection: Connection, table: tuple[str, str], *, only: bool = False) -> None:
    """ANALYZE a table (``only``: not its partitions); a refusal becomes a finding.

    It evaluates the expressions of indexes and statistics objects, with functions that may fail.
    https://www.postgresql.org/docs/18/sql-analyze.html
    """
    job.control.check()
    statement = sql.SQL("ANALYZE {}{}").format(sql.SQL("ONLY " if only else ""), qualified(*table))
    try:
        connection.execute(statement)
    except Error as error:
        if connection.closed or job.control.stopping:
            raise
        job.find(
            "PM4011",
            Level.WARNING,
            f"table {'.'.join(table)}",
            "Its statistics could not be collected.",
            why="Queries on it may be slow until they are; its rows and indexes are complete.",
            fix="Look at the functions that its indexes and statistics objects call, then run the statement.",
            fix_sql=statement.as_string(None) + ";",
            server_message=str(error).strip(),
            phase="indexes",
        )
