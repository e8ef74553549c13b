"""See that somebody changed a table on one side only: changes that arrive would not fit, or be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.plan import FollowedTable, ReplicationPlan
from migrations_app.engine.replication.planning import WHOLE, TableName
from migrations_app.engine.table_copy.planner import plan_tables


@dataclass(frozen=True)
class _Column:
    """A row of queries/follow_columns.sql. ``is_demanded``: a row that comes without it is refused."""

    schema: str
    table: str
    name: str
    type: str
    is_demanded: bool
    is_generated: bool


@dataclass(frozen=True)
class Difference:
    """One table that differs. ``statements`` run on the subscriber make it fit, as far as that can be told."""

    table: str
    saw: str
    statements: tuple[str, ...]


Columns = Mapping[TableName, Mapping[str, _Column]]


def find_drift(publisher: Connection, subscriber: Connection, link: Link) -> list[Difference]:
    """Compare names and types of the columns of every followed table."""
    before, after = _columns(publisher, link.tables), _columns(subscriber, link.tables)
    differences = (_compare(table, before, after) for table in link.tables)
    return [difference for difference in differences if difference is not None]


def _columns(connection: Connection, tables: Sequence[FollowedTable]) -> Columns:
    names = {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]}
    found: dict[TableName, dict[str, _Column]] = {}
    for column in fetch(connection, "follow_columns", _Column, **names):
        found.setdefault((column.schema, column.table), {})[column.name] = column
    return found


def _compare(table: FollowedTable, before: Columns, after: Columns) -> Difference | None:
    one, other = before.get(table.full_name), after.get(table.full_name)
    if one is None and other is None and table.columns:
        return Difference(table.label, "It is gone from both servers.", ())
    if one is None and table.columns:
        return Difference(table.label, "It was dropped or renamed on the publishing server.", ())
    if other is None and table.columns:
        return Difference(table.label, "It is missing where the changes arrive.", ())
    return _compare_columns(table, one or {}, other or {})


def _compare_columns(
    table: FollowedTable, one: Mapping[str, _Column], other: Mapping[str, _Column]
) -> Difference | None:
    name, words, statements = qualified(*table.full_name), [], []
    for column in one.values():
        found, identifier, type_ = other.get(column.name), sql.Identifier(column.name), sql.SQL(column.type)
        if found is None and not column.is_generated:
            words.append(f"column {column.name} ({column.type}) is new")
            statements.append(sql.SQL("ALTER TABLE {} ADD COLUMN {} {};").format(name, identifier, type_))
        elif found is not None and found.type != column.type:
            words.append(f"column {column.name} is now {column.type}, and {found.type} where the changes arrive")
            alter = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {};")
            statements.append(alter.format(name, identifier, type_))
    for column in other.values():
        if column.name not in one and column.is_demanded:
            words.append(f"column {column.name} is gone, and where the changes arrive no row may be without it")
            drop = sql.SQL("ALTER TABLE {} DROP COLUMN {};")
            statements.append(drop.format(name, sql.Identifier(column.name)))
    if not words:
        return None
    return Difference(table.label, f"{'; '.join(words)}.", tuple(each.as_string(None) for each in statements))


def tables_made_since(job: DatabaseJob, publisher: Connection, plan: ReplicationPlan) -> list[str]:
    """Return the chosen tables of the source that the plan does not know, by ``schema.table``."""
    now = plan_tables(publisher, takes=job.takes, split_bytes=WHOLE, skips_extension=job.source_provider.owns_extension)
    known = {table.full_name for table in plan.tables}
    return [
        table.label
        for table in now
        if table.full_name not in known and table.tree not in known and not table.is_configuration
    ]
