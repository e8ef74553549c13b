"""How the definitions of both sides of a followed database differ now, as the last look told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.alarms import DRIFT, MADE_SINCE
from migrations_app.models import MigrationFinding, ReplicationRequest

DIFFERENCES = (DRIFT, MADE_SINCE)


def differences_of(database_id: UUID) -> list[MigrationFinding]:
    """Return the differences of one database, by name; those that are over are gone."""
    found = MigrationFinding.objects.filter(database_id=database_id, code__in=DIFFERENCES)
    return list(found.order_by("subject"))


def rests_for(differences: Sequence[MigrationFinding]) -> bool:
    """Tell whether the apply of a database rests because of these, and goes on by itself when they are resolved.

    A new table keeps nothing from being applied, and a person who paused it is waited for.
    """
    drifting = next((each for each in differences if each.code == DRIFT), None)
    if drifting is None:
        return False
    kinds = (RequestKind.PAUSE.value, RequestKind.CONTINUE.value)
    asked = ReplicationRequest.objects.filter(database_id=drifting.database_id, kind__in=kinds, succeeded=True)
    last = asked.order_by("-id").first()
    return last is None or last.kind == RequestKind.CONTINUE.value


def counted_differences(database_id: OuterRef, codes: Sequence[str] = DIFFERENCES) -> Any:
    """Return the expression that counts the differences of the database that a row belongs to."""
    found = MigrationFinding.objects.filter(database_id=database_id, code__in=codes).order_by()
    counted = found.values("database_id").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
