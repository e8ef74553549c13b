"""Tables without a single page need no lane: they are noted as complete in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.table_copy.statements import part_key


def complete_empty_tables(job: DatabaseJob, tables: Sequence[TablePlan], *, done: Mapping[str, str]) -> list[TablePlan]:
    """Note tables whose file was 0 bytes long when they were planned: the snapshot sees no row in them.

    They have been locked since, and were not emptied in between (``table_locks``). Returns the tables noted.
    """
    empty = [table for table in tables if _is_empty(table) and not any(part_key(table, p) in done for p in table.parts)]
    if not empty:
        return []
    keys = [part_key(table, part) for table in empty for part in table.parts]
    with job.target.connected(job.database.target_name, purpose="empty") as connection, connection.transaction():
        job.markers.hold_on(connection)
        job.markers.add(connection, kind="part", keys=keys, detail="0")
    job.queue.complete_empty(empty)
    return empty


def _is_empty(table: TablePlan) -> bool:
    """An extension's own table is never taken for empty: what its script put there may have to go."""
    return table.bytes == 0 and not table.is_configuration
