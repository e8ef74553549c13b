"""The event log: notes, steps, and what became of each database."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from migrations_app.engine.events import (
    DatabaseFailed,
    DatabaseFinished,
    DatabaseStarted,
    Event,
    Note,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.findings import Level
from migrations_app.models import EventKind, MigrationEvent
from migrations_app.services.recording.ledger import clean, key_of

STEP_WORDS = {
    Step.VALIDATE: "Validation",
    Step.ROLES: "Roles",
    Step.SCHEMA: "Schema",
    Step.COPY: "Copy of rows",
    Step.INDEXES: "Indexes",
    Step.CONSTRAINTS: "Constraints",
    Step.CATCH_UP: "Catching up",
    Step.CUTOVER: "Cutover",
    Step.VERIFY: "Verification",
}
VERIFIED_WORDS = {
    "identical": "source and target are identical",
    "different": "source and target are different",
    "could_not_verify": "some objects could not be verified",
    "not_verified": "not verified, as chosen",
}


class LogLedger:
    """Turns events into lines for people."""

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        self._lines: list[MigrationEvent] = []

    def take(self, event: Event, *, at: datetime) -> None:
        """Take what belongs into the log."""
        match event:
            case Note(message=message, database_id=database_id, level=level):
                kind = EventKind.ERROR if level is Level.FAILED else EventKind.NOTE
                self._add(kind, message, database_id=database_id, level=str(level))
            case StepStarted(step=Step.CATCH_UP) | StepFinished(step=Step.CATCH_UP):
                return  # told at every look; the phases of the database have a line of their own
            case StepStarted(step=step, database_id=database_id, detail=detail):
                self._add(EventKind.STEP, _sentence(f"{STEP_WORDS[step]} started", detail), database_id=database_id)
            case StepFinished(step=step, database_id=database_id, detail=detail):
                self._add(EventKind.STEP, _sentence(f"{STEP_WORDS[step]} finished", detail), database_id=database_id)
            case DatabaseStarted(database_id=database_id):
                self._add(EventKind.STATE, "Work on the database started.", database_id=database_id)
            case DatabaseFinished(database_id=database_id, losses=losses) if losses:
                words = f"The database is on the target, but {len(losses)} of its objects could not be restored."
                self._add(EventKind.ERROR, words, database_id=database_id, level=str(Level.FAILED))
            case DatabaseFinished(database_id=database_id, verified=verified):
                words = _sentence("The database is complete on the target", VERIFIED_WORDS.get(verified, verified))
                self._add(EventKind.STATE, words, database_id=database_id)
            case DatabaseFailed(database_id=database_id, message=message):
                self._add(EventKind.ERROR, message, database_id=database_id, level=str(Level.FAILED))

    def write(self) -> bool:
        """Store the new lines."""
        for line in self._lines:
            line.pk = None
        MigrationEvent.objects.bulk_create(self._lines, batch_size=500)
        return bool(self._lines)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._lines.clear()

    def _add(self, kind: EventKind, message: str, *, database_id: str, level: str = str(Level.INFO)) -> None:
        self._lines.append(
            MigrationEvent(
                migration_id=self.migration_id,
                database_id=key_of(database_id),
                kind=kind,
                level=level,
                message=clean(message),
            )
        )


def _sentence(words: str, detail: str) -> str:
    return f"{words}: {detail.rstrip('.')}." if detail else f"{words}."
