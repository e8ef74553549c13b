"""What was compared on source and target, and with what result."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from migrations_app.engine.events import Event, ObjectVerified
from migrations_app.models import VerificationResult
from migrations_app.services.recording.ledger import clean


class VerificationLedger:
    """A comparison made again replaces the one before."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str, str], ObjectVerified] = {}

    def take(self, event: Event, *, at: datetime) -> None:
        """Take a comparison."""
        if isinstance(event, ObjectVerified):
            self._new[event.database_id, event.object_class, event.name] = event

    def write(self) -> bool:
        """Store the new comparisons."""
        VerificationResult.objects.bulk_create(
            [_row(event) for event in self._new.values()],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["database", "object_class", "name"],
            update_fields=["result", "source", "target", "detail", "verified_at"],
        )
        return bool(self._new)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._new.clear()


def _row(event: ObjectVerified) -> VerificationResult:
    return VerificationResult(
        database_id=UUID(event.database_id),
        object_class=event.object_class,
        name=clean(event.name),
        result=str(event.result),
        source=clean(event.source),
        target=clean(event.target),
        detail=clean(event.detail),
    )
