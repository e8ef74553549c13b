"""Sums over the databases of a migration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_app.models import TERMINAL_STATES, MigrationDatabase, State


@dataclass(frozen=True)
class Totals:
    """What a migration moves in all, and how much of it has moved."""

    databases_total: int = 0
    databases_done: int = 0
    databases_failed: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    rows_done: int = 0
    tables_total: int = 0
    tables_done: int = 0
    indexes_total: int = 0
    indexes_done: int = 0

    @property
    def bytes_left(self) -> int:
        """Bytes still to copy."""
        return max(self.bytes_total - self.bytes_done, 0)

    @property
    def percent(self) -> int:
        """Share of the data that has arrived; 100 only when every table is complete."""
        return percent_of(self.bytes_done, self.bytes_total, complete=0 < self.tables_total == self.tables_done)


def percent_of(done: int, total: int, *, complete: bool) -> int:
    """Return a whole percentage that says 100 only when the work is complete."""
    if complete:
        return 100
    return min(int(100 * done / total), 99) if total > 0 else 0


def totals_of(databases: Iterable[MigrationDatabase]) -> Totals:
    """Add up the databases of one migration."""
    rows = list(databases)
    return Totals(
        databases_total=len(rows),
        databases_done=sum(row.state in TERMINAL_STATES for row in rows),
        databases_failed=sum(row.state in (State.FAILED, State.VALIDATION_FAILED) for row in rows),
        bytes_total=sum(row.bytes_total for row in rows),
        bytes_done=sum(row.bytes_done for row in rows),
        rows_done=sum(row.rows_done for row in rows),
        tables_total=sum(row.tables_total for row in rows),
        tables_done=sum(row.tables_done for row in rows),
        indexes_total=sum(row.indexes_total for row in rows),
        indexes_done=sum(row.indexes_done for row in rows),
    )
