"""The tables of extensions: CREATE EXTENSION has filled them already, and only the user's rows are exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart, TablePlan
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.table_copy.slow_lane import SlowLane
from migrations_app.engine.table_copy.statements import part_key


def copy_configuration_tables(
    job: DatabaseJob, snapshot: Snapshot, tables: Sequence[TablePlan], *, done: dict[str, str]
) -> None:
    """Copy them one after the other before all others, in the order in which their extension made them.

    They may refer to each other. ``done`` is completed, so that the copy workers only tick them off.
    https://www.postgresql.org/docs/18/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
    """
    lane = SlowLane(job, snapshot)
    for table in sorted((table for table in tables if table.is_configuration), key=lambda table: table.oid):
        for part in table.parts:
            key = part_key(table, part)
            if key not in done:
                done[key] = str(lane.copy(ClaimedPart(0, table, part, 1)))
