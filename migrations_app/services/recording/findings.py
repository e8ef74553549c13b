"""Findings, each once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from migrations_app.engine.events import Event, FindingRaised, Step, StepStarted
from migrations_app.engine.findings import Finding
from migrations_app.models import MigrationFinding
from migrations_app.services.recording.ledger import clean, key_of

VALIDATION_PHASE = "validation"
Key = tuple[str, str, UUID | None, str]


class FindingLedger:
    """A finding that was made before (by code, subject, database and phase) is replaced, not repeated.

    Validation that runs again starts with no findings of its own: what was mended must not stay on the list.
    """

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        rows = MigrationFinding.objects.filter(migration_id=migration_id)
        columns = ("pk", "code", "subject", "database_id", "phase")
        self._stored: dict[Key, int] = {(row[1], row[2], row[3], row[4]): row[0] for row in rows.values_list(*columns)}
        self._written: dict[Key, int] = {}
        self._new: dict[Key, Finding] = {}
        self._forgotten: set[int] = set()

    def take(self, event: Event, *, at: datetime) -> None:
        """Take a finding, or the begin of a validation."""
        if isinstance(event, FindingRaised):
            found = event.finding
            self._new[clean(found.code), clean(found.subject), key_of(found.database_id), found.phase] = found
        elif isinstance(event, StepStarted) and event.step is Step.VALIDATE and not event.database_id:
            old = {key: pk for key, pk in self._stored.items() if key[3] == VALIDATION_PHASE}
            self._forgotten |= set(old.values())
            self._stored = {key: pk for key, pk in self._stored.items() if key not in old}
            self._new = {key: found for key, found in self._new.items() if key[3] != VALIDATION_PHASE}

    def write(self) -> bool:
        """Store new findings and new words for old ones."""
        if not self._new and not self._forgotten:
            return False
        MigrationFinding.objects.filter(pk__in=self._forgotten).delete()
        rows = {key: self._row(key, found) for key, found in self._new.items()}
        fresh = [row for key, row in rows.items() if key not in self._stored]
        MigrationFinding.objects.bulk_create(fresh, batch_size=500)
        for key in rows.keys() & self._stored.keys():
            MigrationFinding.objects.filter(pk=self._stored[key]).update(**self._words(self._new[key]))
        self._written = {key: row.pk for key, row in rows.items() if row.pk is not None}
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        if self._new or self._forgotten:
            self._stored |= self._written
            self._new.clear()
            self._forgotten.clear()

    def _row(self, key: Key, found: Finding) -> MigrationFinding:
        code, subject, database_id, phase = key
        return MigrationFinding(
            migration_id=self.migration_id,
            database_id=database_id,
            code=code,
            subject=subject,
            phase=phase,
            **self._words(found),
        )

    @staticmethod
    def _words(found: Finding) -> dict[str, Any]:
        return {
            "level": str(found.level),
            "saw": clean(found.saw),
            "why": clean(found.why),
            "fix": clean(found.fix),
            "fix_sql": clean(found.fix_sql),
            "statement": clean(found.statement),
            "server_message": clean(found.server_message),
        }
