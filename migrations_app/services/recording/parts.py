"""Rows and bytes of the parts that are being copied right now."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection

from migrations_app.engine.events import Event, PartProgress
from migrations_app.models import MigrationDatabase, PartState
from migrations_app.services.lease import note_progress
from migrations_app.services.part_changes import PartChange

Totals = tuple[tuple[UUID, int, int, int], ...]


class PartLedger:
    """Keeps the newest numbers of each part, and notices what the queue stored meanwhile."""

    def __init__(self, migration_id: UUID, *, fence: int) -> None:
        self.migration_id = migration_id
        self.fence = fence
        self._live: dict[int, PartProgress] = {}
        self._totals = self._unstored_totals = self._read_totals()

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the progress of a part."""
        if isinstance(event, PartProgress):
            self._live[event.part_id] = event

    def write(self) -> bool:
        """Store live numbers; parts that are complete or not ours keep theirs."""
        if self._live:
            self._change().apply(connection)
        self._unstored_totals = self._read_totals()
        if self._unstored_totals == self._totals:
            return False
        note_progress(self.migration_id)
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        self._live.clear()
        self._totals = self._unstored_totals

    def _change(self) -> PartChange:
        live = self._live.values()
        return PartChange(
            migration_id=self.migration_id,
            fence=self.fence,
            ids=[part.part_id for part in live],
            rows=[part.rows for part in live],
            bytes=[part.bytes for part in live],
            from_states=(PartState.RUNNING,),
            to=PartState.RUNNING,
        )

    def _read_totals(self) -> Totals:
        databases = MigrationDatabase.objects.filter(migration_id=self.migration_id).order_by("pk")
        return tuple(databases.values_list("pk", "bytes_done", "rows_done", "tables_done"))
