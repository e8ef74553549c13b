"""How far behind migrations are that are followed, summed up over their databases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import DurationField, Exists, ExpressionWrapper, F, Max, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now

from migrations_app.engine.events import Direction
from migrations_app.engine.replication.alarms import DRIFT
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.following import AT_WORK
from migrations_app.models import TERMINAL_STATES, Migration, Replication
from migrations_app.selectors.alarms import alarms_over
from migrations_app.selectors.differences import counted_differences

RESTING = (ApplyState.PAUSED, ApplyState.BROKEN)


@dataclass(frozen=True)
class Lag:
    """The worst of a migration's databases, in the direction that matters now.

    ``error`` is that of the first database whose replication stopped, with its name. ``differences`` counts what is
    defined otherwise on both sides, ``drifting`` those of them that keep changes from being applied.
    ``over`` names the thresholds that are passed; ``waits_since`` is when the first database that is not cut over
    caught up.
    """

    seconds: float | None
    bytes: int | None
    caught_up_at: datetime | None
    since: datetime | None
    paused: bool
    broken: bool
    error: str
    over: tuple[str, ...] = ()
    waits_since: datetime | None = None
    differences: int = 0
    drifting: int = 0


def lag_of(migration: Migration) -> Lag | None:
    """Sum up one migration; None where nothing is followed (one query)."""
    return lags_of([migration.pk]).get(migration.pk)


def lags_of(migration_ids: Collection[UUID]) -> dict[UUID, Lag]:
    """Sum up several migrations (one query, none for no migration)."""
    if not migration_ids:
        return {}
    rows = _living().filter(database__migration__in=migration_ids).select_related("database__migration")
    of = OuterRef("database_id")
    rows = rows.annotate(differences=counted_differences(of), drifting=counted_differences(of, codes=[DRIFT]))
    found: dict[UUID, list[Replication]] = {}
    for row in rows.order_by("database__source_name"):
        found.setdefault(row.database.migration_id, []).append(row)
    return {pk: _summed_up(of_one) for pk, of_one in found.items()}


def longest_lag_seconds() -> float | None:
    """Return the largest lag of everything that is followed; None where nothing is (one query)."""
    longest: float | None = _living().aggregate(longest=Max("lag_seconds"))["longest"]
    return longest


def is_followed() -> Q:
    """Return the condition under which a migration's changes are followed now."""
    rows = _living().filter(database__migration=OuterRef("pk"))
    return AT_WORK & Q(Exists(rows))


def is_resting() -> Q:
    """Return the condition under which replication waits for a person: it is paused, or stopped at an error."""
    rows = _living().filter(database__migration=OuterRef("pk"), state__in=RESTING)
    return AT_WORK & Q(Exists(rows))


def needs_a_look() -> Q:
    """Return the condition under which a followed migration passed a threshold, or takes longer than was wished."""
    rows, of = _living().filter(database__migration=OuterRef("pk")), "database__migration__"
    is_late = Q(lag_seconds__gt=F(f"{of}lag_alarm_seconds"))
    over = (
        Q(retained_wal_bytes__gt=F(f"{of}retained_wal_bytes"))
        | Q(full_in_seconds__lt=F(f"{of}room_alarm_seconds"))
        | is_late & (Q(caught_up_at__isnull=False) | ~Q(direction=Direction.FORWARD.value))
    )
    days = ExpressionWrapper(F("warn_after_days") * Value(timedelta(days=1)), output_field=DurationField())
    is_long = Q(warn_after_days__gt=0) & Q(started_at__lt=Now() - days) & Q(Exists(rows))
    return AT_WORK & (Q(Exists(rows.filter(over))) | is_long)


def _living() -> QuerySet[Replication]:
    rows = Replication.objects.filter(ended_at__isnull=True)
    return rows.exclude(database__state__in=TERMINAL_STATES)


def _summed_up(rows: Sequence[Replication]) -> Lag:
    stopped = [row for row in rows if row.state == ApplyState.BROKEN]
    resting = [row.state_since for row in rows if row.state in RESTING]
    most = _highest(row.lag_bytes for row in rows)
    return Lag(
        seconds=_highest(row.lag_seconds for row in rows),
        bytes=None if most is None else int(most),
        caught_up_at=max((row.caught_up_at for row in rows if row.caught_up_at), default=None),
        since=min(resting, default=None),
        paused=any(row.state == ApplyState.PAUSED for row in rows),
        broken=bool(stopped),
        over=alarms_over(rows[0].database.migration, rows),
        waits_since=min((row.caught_up_at for row in rows if row.caught_up_at and _is_forward(row)), default=None),
        differences=sum(row.differences for row in rows),  # type: ignore[attr-defined]  # annotated
        drifting=sum(row.drifting for row in rows),  # type: ignore[attr-defined]  # annotated
        error=f"{stopped[0].database.source_name}: {stopped[0].error}" if stopped else "",
    )


def _is_forward(row: Replication) -> bool:
    return row.direction == Direction.FORWARD


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
