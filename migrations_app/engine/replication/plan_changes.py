"""What becomes of the plan when both sides have what was changed: tables renamed, gone, new, or to be copied again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, qualified
from migrations_app.engine.replication.difference import Difference, TableName
from migrations_app.engine.replication.drift import read_places
from migrations_app.engine.replication.plan import FollowedTable, Identity, ReplicationPlan, Treatment


class PlanChanged(Exception):
    """The database is followed by another plan from now on."""

    def __init__(self, plan: ReplicationPlan) -> None:
        super().__init__(plan.name)
        self.plan = plan


def changed_plan(
    plan: ReplicationPlan,
    publisher: Connection,
    subscriber: Connection,
    *,
    found: Sequence[Difference],
    made: Iterable[TablePlan],
) -> ReplicationPlan:
    """Return the plan as it should be: the same one where nothing of it changed.

    ``found`` are the differences that are left, ``made`` the tables of the source that the plan does not know.
    """
    places = read_places(publisher, plan.tables)
    taken = {table.full_name for table in plan.tables}
    kept = [each for table in plan.tables if (each := _kept(table, places, subscriber, taken=taken)) is not None]
    added = list(_added(subscriber, made))
    renamed = {table.full_name: places.get(table.oid, table.full_name) for table in plan.tables}
    again = {*(renamed.get(name, name) for name in plan.again), *(name for each in found for name in each.again)}
    there = tuple(name for name in sorted(again) if _has(publisher, name))
    return replace(plan, tables=(*kept, *added), again=there)


def _kept(
    table: FollowedTable, places: dict[int, TableName], subscriber: Connection, *, taken: set[TableName]
) -> FollowedTable | None:
    """A table that is gone from both sides is forgotten; one that has its new name on both is known by it."""
    now = places.get(table.oid)
    if now is None:
        return table if _has(subscriber, table.full_name) else None
    if now != table.full_name and now not in taken and _has(subscriber, now):
        return replace(table, schema=now[0], name=now[1])
    return table


def _added(subscriber: Connection, made: Iterable[TablePlan]) -> Iterator[FollowedTable]:
    for table in made:
        if _has(subscriber, table.full_name):
            yield FollowedTable(
                oid=table.oid,
                schema=table.schema,
                name=table.name,
                columns=table.columns,
                identity=Identity.NONE,
                key_columns=(),
                treatment=Treatment.COPY_AT_CUTOVER,
            )


def _has(connection: Connection, name: TableName) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (qualified(*name).as_string(None),)).fetchone()
    return row == (True,)
