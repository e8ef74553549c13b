"""Findings, each once; a validation that runs again replaces what it found before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from migrations_app.engine.events import (
    Event,
    FindingRaised,
    FindingsSettled,
    Step,
    StepStarted,
    ValidationEnded,
)
from migrations_app.engine.findings import Finding
from migrations_app.models import EventKind, MigrationEvent, MigrationFinding
from migrations_app.services.recording.ledger import clean, key_of
from migrations_app.services.recording.mended import Tried

VALIDATION_PHASE = "validation"
MENDED_LISTED = 20
WORDS = (
    "level",
    "saw",
    "why",
    "fix",
    "fix_sql",
    "statement",
    "server_message",
    "side",
    "script_use",
    "script_database",
)
NOT_ACCEPTED: dict[str, Any] = {
    "accepted_at": None,
    "accepted_by_id": None,
    "accepted_from": "",
    "accepted_reason": "",
}
Key = tuple[str, str, UUID | None, str]


@dataclass(frozen=True)
class Stored:
    """A finding as its row has it."""

    pk: int
    level: str
    mark: int


class FindingLedger:
    """A finding that was made before (by code, subject, database and phase) is updated, so that its acceptance stays.

    When a validation ends, what it did not find again is taken off the list; what was truly checked is called mended
    in the events. ``only_database`` limits that to one database.
    """

    def __init__(self, migration_id: UUID, *, only_database: UUID | None = None) -> None:
        self.migration_id = migration_id
        self.only_database = only_database
        rows = MigrationFinding.objects.filter(migration_id=migration_id)
        columns = ("pk", "code", "subject", "database_id", "phase", *WORDS)
        self._stored: dict[Key, Stored] = {
            row[1:5]: Stored(row[0], row[5], hash(row[5:])) for row in rows.values_list(*columns).iterator()
        }
        self._found: dict[Key, Finding] = {}
        self._new: dict[Key, Finding] = {}
        self._gone: set[int] = set()
        self._mended: list[Key] = []
        self._written: dict[Key, Stored] = {}

    def take(self, event: Event, *, at: datetime) -> None:
        """Take a finding, or the begin or the end of a validation."""
        match event:
            case FindingRaised(finding=found):
                key = (clean(found.code), clean(found.subject), key_of(found.database_id), found.phase)
                self._new[key] = self._found[key] = found
            case FindingsSettled(database_id=database_id, code=code, still=still):
                self._settle(clean(code), key_of(database_id), still={clean(each) for each in still})
            case StepStarted(step=Step.VALIDATE, database_id=""):
                self._found.clear()
            case ValidationEnded():
                self._end_validation(event)

    def _settle(self, code: str, database_id: UUID | None, *, still: set[str]) -> None:
        """What was told of a database that is followed, and is so no more, is taken off the list."""
        for key in [key for key in self._new if key[0] == code and key[2] == database_id and key[1] not in still]:
            del self._new[key]
        for key in [key for key in self._stored if key[0] == code and key[2] == database_id and key[1] not in still]:
            self._gone.add(self._stored.pop(key).pk)

    def _end_validation(self, event: ValidationEnded) -> None:
        tried = Tried(event, found=self._found.values())
        for key in [key for key in self._stored if self._is_in_question(key) and tried.replaces(key[0], key[2])]:
            self._gone.add(self._stored.pop(key).pk)
            if tried.has_checked(key[0], key[2]):
                self._mended.append(key)

    def _is_in_question(self, key: Key) -> bool:
        is_elsewhere = self.only_database is not None and key[2] != self.only_database
        return key[3] == VALIDATION_PHASE and key not in self._found and not is_elsewhere

    def write(self) -> bool:
        """Store new findings, new words for old ones, and what is mended."""
        if not self._new and not self._gone:
            return False
        MigrationFinding.objects.filter(pk__in=self._gone).delete()
        rows = {key: self._row(key, found) for key, found in self._new.items()}
        MigrationFinding.objects.bulk_create([row for key, row in rows.items() if row.pk is None], batch_size=500)
        changed = [row for key, row in rows.items() if key in self._stored and _mark(row) != self._stored[key].mark]
        for row in changed:
            row.changed_at = timezone.now()
        MigrationFinding.objects.bulk_update(changed, [*WORDS, "changed_at"], batch_size=500)
        self._take_back_acceptance(changed, rows)
        MigrationEvent.objects.bulk_create(self._events())
        self._written = {key: Stored(row.pk, row.level, _mark(row)) for key, row in rows.items()}
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        if self._new or self._gone:
            self._stored |= self._written
            self._new.clear()
            self._gone.clear()
            self._mended.clear()

    def _take_back_acceptance(self, changed: list[MigrationFinding], rows: dict[Key, MigrationFinding]) -> None:
        """Who accepted a warning did not accept a failure: another level needs another look."""
        other = [row.pk for key, row in rows.items() if key in self._stored and row.level != self._stored[key].level]
        if changed and other:
            MigrationFinding.objects.filter(pk__in=other, accepted_at__isnull=False).update(**NOT_ACCEPTED)

    def _events(self) -> list[MigrationEvent]:
        """A line for each finding that is mended; the rest of many in one."""
        shown, more = self._mended[:MENDED_LISTED], len(self._mended) - MENDED_LISTED
        lines = [self._event(f"Mended: {code} {subject}.", database_id) for code, subject, database_id, _ in shown]
        return [*lines, self._event(f"Mended: {more} more findings.", None)] if more > 0 else lines

    def _event(self, message: str, database_id: UUID | None) -> MigrationEvent:
        return MigrationEvent(
            migration_id=self.migration_id, database_id=database_id, kind=EventKind.NOTE, message=message
        )

    def _row(self, key: Key, found: Finding) -> MigrationFinding:
        code, subject, database_id, phase = key
        stored = self._stored.get(key)
        return MigrationFinding(
            pk=stored.pk if stored else None,
            migration_id=self.migration_id,
            database_id=database_id,
            code=code,
            subject=subject,
            phase=phase,
            **{name: clean(str(getattr(found, name))) for name in WORDS},
        )


def _mark(row: MigrationFinding) -> int:
    return hash(tuple(getattr(row, name) for name in WORDS))
