"""A part queue for work that copies nothing."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.plan import ClaimedPart, TablePlan


class NothingToCopy:
    """``engine.ports.PartQueue`` that stays empty."""

    def enqueue(self, tables: Sequence[TablePlan]) -> None:
        """Take no tables."""

    def tables(self) -> Sequence[TablePlan]:
        """Return no tables."""
        return ()

    def claim(self) -> ClaimedPart | None:
        """Return that no part is left."""
        return None

    def complete(self, part_id: int, *, rows: int, bytes: int) -> None:
        """There is nothing to complete."""

    def complete_empty(self, tables: Sequence[TablePlan]) -> None:
        """There is nothing to complete."""

    def release(self, part_id: int, *, error: str) -> None:
        """There is nothing to give back."""

    def restart(self, table: TablePlan) -> None:
        """There is nothing to copy again."""

    def table_is_complete(self, table: TablePlan) -> bool:
        """Return True: nothing is left to copy."""
        return True

    def close_thread(self) -> None:
        """There is nothing to let go of."""
