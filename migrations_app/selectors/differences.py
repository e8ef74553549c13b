"""How the definitions of both sides of a followed database differ now, as the last look told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from migrations_app.engine.replication.alarms import DRIFT, MADE_SINCE
from migrations_app.models import MigrationFinding

DIFFERENCES = (DRIFT, MADE_SINCE)


def differences_of(database_id: UUID) -> list[MigrationFinding]:
    """Return the differences of one database, by name; those that are over are gone."""
    found = MigrationFinding.objects.filter(database_id=database_id, code__in=DIFFERENCES)
    return list(found.order_by("subject"))


def counted_differences(database_id: OuterRef) -> Any:
    """Return the expression that counts the differences of the database that a row belongs to."""
    found = MigrationFinding.objects.filter(database_id=database_id, code__in=DIFFERENCES).order_by()
    counted = found.values("database_id").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
