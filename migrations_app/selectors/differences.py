"""How the definitions of both sides of a followed database differ now, as the last look told."""

from __future__ import annotations

from uuid import UUID

from migrations_app.engine.replication.alarms import DRIFT, MADE_SINCE
from migrations_app.models import MigrationFinding

DIFFERENCES = (DRIFT, MADE_SINCE)


def differences_of(database_id: UUID) -> list[MigrationFinding]:
    """Return the differences of one database, by name; those that are over are gone."""
    found = MigrationFinding.objects.filter(database_id=database_id, code__in=DIFFERENCES)
    return list(found.order_by("subject"))
