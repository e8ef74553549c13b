"""The engine's copy plan as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.models import Part, TableCopy
from migrations_app.services.lease import fenced
from migrations_app.services.queries import query

BATCH_ROWS = 2000


def store_tables(tables: Sequence[TablePlan], *, migration_id: UUID, database_id: UUID, fence: int) -> None:
    """Add the tables that are not there yet, with their parts, in one transaction. Raises ``LeaseLost``."""
    with fenced(migration_id, fence=fence):
        there = set(TableCopy.objects.filter(database_id=database_id).values_list("schema", "name"))
        new = [table for table in tables if (table.schema, table.name) not in there]
        rows = TableCopy.objects.bulk_create([_table_row(table, database_id) for table in new], BATCH_ROWS)
        Part.objects.bulk_create(_part_rows(new, rows), BATCH_ROWS)
        with connection.cursor() as cursor:
            cursor.execute(query("database_totals"), {"database_id": database_id})


def load_tables(database_id: UUID, *, over: BaseDatabaseWrapper) -> dict[int, TablePlan]:
    """Return the stored plan of each table by the row's id, the largest first, read over the connection ``over``."""
    with over.cursor() as cursor:
        cursor.execute(query("tables_of_database"), {"database_id": database_id})
        return {row[0]: _table_plan(*row[1:]) for row in cursor.fetchall()}


def _table_row(table: TablePlan, database_id: UUID) -> TableCopy:
    return TableCopy(
        database_id=database_id,
        schema=table.schema,
        name=table.name,
        bytes_total=table.bytes,
        rows_estimate=table.rows_estimate,
        parts_total=len(table.parts),
        plan={
            "oid": table.oid,
            "columns": list(table.columns),
            "binary": table.binary,
            "condition": table.condition,
            "tree": table.tree,
            "parts": [[part.number, part.kind.value, part.lower, part.upper, part.key_column] for part in table.parts],
        },
    )


def _part_rows(tables: Sequence[TablePlan], rows: Sequence[TableCopy]) -> Iterable[Part]:
    """A part weighs as much as its whole table, so that the parts of the largest table go first."""
    return [
        Part(
            table=row,
            database_id=row.database_id,
            number=part.number,
            kind=part.kind.value,
            lower=part.lower,
            upper=part.upper,
            key_column=part.key_column,
            weight_bytes=table.bytes,
        )
        for table, row in zip(tables, rows, strict=True)
        for part in table.parts
    ]


def _table_plan(schema: str, name: str, size: int, rows_estimate: int, stored: str | dict[str, Any]) -> TablePlan:
    plan: dict[str, Any] = json.loads(stored) if isinstance(stored, str) else stored
    return TablePlan(
        oid=plan["oid"],
        schema=schema,
        name=name,
        columns=tuple(plan["columns"]),
        bytes=size,
        rows_estimate=rows_estimate,
        binary=plan["binary"],
        parts=tuple(_part_plan(part) for part in plan["parts"]),
        condition=plan["condition"],
        tree=tuple(plan["tree"]) if plan.get("tree") else None,
    )


def _part_plan(stored: Sequence[Any]) -> PartPlan:
    number, kind, lower, upper, key_column = stored
    return PartPlan(number=number, kind=PartKind(kind), lower=lower, upper=upper, key_column=key_column)
