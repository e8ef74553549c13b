"""Tables without a single page need no lane: they are noted as complete in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.table_copy.statements import part_key


def complete_empty_tables(job: DatabaseJob, tables: Sequence[TablePlan], *, done: Mapping[str, str]) -> list[TablePlan]:
    """Note tables whose file was 0 bytes long after the snapshot was taken: the snapshot sees no row in them.

    (Only TRUNCATE could have emptied the file since, and what it removes no snapshot sees either:
    https://www.postgresql.org/docs/18/mvcc-caveats.html.) Returns the tables noted.
    """
    empty = [
        table for table in tables if table.bytes == 0 and not any(part_key(table, part) in done for part in table.parts)
    ]
    if not empty:
        return []
    keys = [part_key(table, part) for table in empty for part in table.parts]
    with job.target.connected(job.database.target_name, purpose="empty") as connection, connection.transaction():
        job.markers.hold_on(connection)
        job.markers.add(connection, kind="part", keys=keys, detail="0")
    job.queue.complete_empty(empty)
    return empty
