"""Who still comes to the old source after the cutover: one row for each role, address and application."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from migrations_app.engine.events import Event, OldSourceVisited
from migrations_app.models import OldSourceVisitor
from migrations_app.services.recording.ledger import clean

Key = tuple[UUID, str, str, str]


class OldSourceLedger:
    """A visitor who comes again is the same row, seen later."""

    def __init__(self, migration_id: UUID) -> None:
        rows = OldSourceVisitor.objects.filter(database__migration_id=migration_id)
        self._rows: dict[Key, OldSourceVisitor] = {_key_of(row): row for row in rows}
        self._changed: set[Key] = set()

    def take(self, event: Event, *, at: datetime) -> None:
        """Take one look at one visitor."""
        if not isinstance(event, OldSourceVisited):
            return
        words = (clean(event.role), clean(event.address), clean(event.application))
        key = (UUID(event.database_id), *words)
        row = self._rows.get(key)
        if row is None:
            row = OldSourceVisitor(
                database_id=key[0], role=words[0], address=words[1], application=words[2], first_seen_at=at
            )
            self._rows[key] = row
        row.last_seen_at = at
        row.sessions += event.new_sessions
        row.is_superuser = event.is_superuser
        row.is_writing = row.is_writing or event.is_writing
        self._changed.add(key)

    def write(self) -> bool:
        """Store whoever was seen."""
        for key in sorted(self._changed, key=str):
            self._rows[key].save()
        return bool(self._changed)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changed.clear()


def _key_of(row: OldSourceVisitor) -> Key:
    return (row.database_id, row.role, row.address, row.application)
