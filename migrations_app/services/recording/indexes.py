"""Indexes of each table: how many there are, how many are built, which is being built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from migrations_app.engine.events import Event, IndexesPlanned, IndexFinished, IndexProgress, IndexStarted
from migrations_app.models import MigrationDatabase, TableCopy
from migrations_app.services.queries import query

INDEX_NOW_CHARACTERS = 200
TableKey = tuple[UUID, str, str]


@dataclass
class _Table:
    planned: int = 0
    built: set[str] = field(default_factory=set)
    running: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return max(self.planned, len(self.built | set(self.running)))

    @property
    def now(self) -> str:
        return ", ".join(f"{name} {progress}".rstrip() for name, progress in self.running.items())[
            :INDEX_NOW_CHARACTERS
        ]


class IndexLedger:
    """Counts within one run: a run that goes on plans anew and reports what is built already as finished."""

    def __init__(self) -> None:
        self._tables: dict[TableKey, _Table] = {}
        self._changed: set[TableKey] = set()

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the plan, or the begin, progress or end of an index."""
        match event:
            case IndexesPlanned():
                self._plan(UUID(event.database_id), event.counts)
            case IndexStarted():
                self._touch(event).running[event.index] = ""
            case IndexProgress():
                table = self._touch(event)
                if event.index not in table.built:
                    table.running[event.index] = f"{event.fraction:.0%} {event.phase}".rstrip()
            case IndexFinished():
                table = self._touch(event)
                table.running.pop(event.index, None)
                table.built.add(event.index)
            case _:
                return

    def write(self) -> bool:
        """Store the changed tables and the sums of their databases."""
        if not self._changed:
            return False
        rows = [(key, self._tables[key]) for key in self._changed]
        with connection.cursor() as cursor:
            cursor.execute(
                query("table_indexes"),
                {
                    "databases": [str(key[0]) for key, _ in rows],
                    "schemas": [key[1] for key, _ in rows],
                    "names": [key[2] for key, _ in rows],
                    "totals": [table.total for _, table in rows],
                    "built": [len(table.built) for _, table in rows],
                    "now": [table.now for _, table in rows],
                },
            )
        self._sum_up({key[0] for key in self._changed})
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changed.clear()

    def _plan(self, database_id: UUID, counts: Iterable[tuple[str, str, int]]) -> None:
        for schema, name, planned in counts:
            key = (database_id, schema, name)
            self._tables[key] = _Table(planned=planned)
            self._changed.add(key)

    def _touch(self, event: IndexStarted | IndexProgress | IndexFinished) -> _Table:
        key = (UUID(event.database_id), event.schema, event.table)
        self._changed.add(key)
        return self._tables.setdefault(key, _Table())

    @staticmethod
    def _sum_up(databases: set[UUID]) -> None:
        for pk in databases:
            tables = TableCopy.objects.filter(database_id=pk)
            sums = tables.aggregate(total=Sum("indexes_total", default=0), done=Sum("indexes_done", default=0))
            MigrationDatabase.objects.filter(pk=pk).update(indexes_total=sums["total"], indexes_done=sums["done"])
