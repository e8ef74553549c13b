"""The tables of a migration as the progress tab lists them: failed on top, running next, then the largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from migrations_app.models import PartState, TableCopy
from migrations_app.selectors.totals import percent_of

TABLES_PER_PAGE = 100
URGENCY = {PartState.FAILED: 0, PartState.RUNNING: 1, PartState.TODO: 2, PartState.DONE: 3}


@dataclass(frozen=True)
class TableRow:
    """One line of the list."""

    table: TableCopy
    percent: int
    bytes_per_second: float | None
    elapsed_seconds: float | None

    @property
    def label(self) -> str:
        """``schema.table``."""
        return f"{self.table.schema}.{self.table.name}"

    @property
    def shows_progress(self) -> bool:
        """Its copy runs or failed, or one of its indexes is being built."""
        return self.table.state in (PartState.RUNNING, PartState.FAILED) or bool(self.table.index_now)

    @property
    def builds_indexes(self) -> bool:
        """Rows are complete, indexes are not."""
        return self.table.state == PartState.DONE and self.table.indexes_done < self.table.indexes_total


def table_page(migration_id: UUID, *, text: str = "", database: str = "", page: int | str = 1) -> Page[Any]:
    """Return one page of the tables whose name contains ``text`` (two queries)."""
    paginator = Paginator(_tables(migration_id, text=text, database=database), TABLES_PER_PAGE)
    found = paginator.get_page(page)
    return Page([_row(table) for table in found.object_list], found.number, paginator)


def failed_tables(migration_id: UUID, *, limit: int = 20) -> list[TableCopy]:
    """Return tables whose copy failed, the largest first."""
    rows = TableCopy.objects.filter(database__migration_id=migration_id, state=PartState.FAILED)
    return list(rows.select_related("database").defer("plan", "database__facts").order_by("-bytes_total")[:limit])


def _tables(migration_id: UUID, *, text: str, database: str) -> QuerySet[TableCopy]:
    rows = TableCopy.objects.filter(database__migration_id=migration_id)
    if database:
        rows = rows.filter(database__source_name=database)
    schema, dot, name = text.partition(".")
    if dot:
        rows = rows.filter(Q(schema__icontains=schema, name__icontains=name) | Q(name__icontains=text))
    elif text:
        rows = rows.filter(Q(schema__icontains=text) | Q(name__icontains=text))
    urgency = Case(
        *(When(state=state, then=Value(rank)) for state, rank in URGENCY.items()), output_field=IntegerField()
    )
    shown = rows.select_related("database").defer(
        "plan", "database__facts", "database__selection", "database__step_times"
    )
    return shown.order_by(urgency, "-bytes_total", "schema", "name", "id")


def _row(table: TableCopy) -> TableRow:
    elapsed = None
    if table.started_at is not None:
        elapsed = max(((table.ended_at or timezone.now()) - table.started_at).total_seconds(), 0.0)
    measurable = elapsed is not None and elapsed >= 1.0 and table.bytes_done > 0
    return TableRow(
        table=table,
        percent=percent_of(table.bytes_done, table.bytes_total, complete=table.state == PartState.DONE),
        bytes_per_second=table.bytes_done / elapsed if measurable and elapsed else None,
        elapsed_seconds=elapsed,
    )
