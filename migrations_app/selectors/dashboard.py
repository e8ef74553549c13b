"""The lead's numbers and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from migrations_app.engine.events import CheckResult
from migrations_app.engine.findings import ACCEPTABLE, Level
from migrations_app.engine.validation import wording
from migrations_app.models import TERMINAL_STATES, Migration, MigrationDatabase, MigrationFinding, State, Substate
from migrations_app.selectors.alarms import reminders_of
from migrations_app.selectors.counting import counted
from migrations_app.selectors.lag import Lag, is_followed, is_resting, lags_of, longest_lag_seconds, needs_a_look
from migrations_app.selectors.migration_page import migrations_with_endpoints

RECENT_DAYS = 7
WAITING_CARDS = 6
VALIDATION_PHASE = "validation"
RUNNING = (State.IN_PROGRESS, State.CLEANING_UP)
WAITING = (State.WAITING_FOR_USER, State.PAUSED)
FAILED = (State.FAILED, State.VALIDATION_FAILED)
UNPROVED = (CheckResult.DIFFERENT, CheckResult.COULD_NOT_VERIFY)


class Show(StrEnum):
    """What one of the five numbers counts; a click on it filters the list."""

    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    MOVED = "moved"
    LONGEST = "longest"
    LAG = "lag"


@dataclass(frozen=True)
class Numbers:
    """The top line. Bytes and migrations of the last seven days; ``longest_since`` is the start of the oldest run.

    ``lag_seconds`` is the longest of what is followed, None where nothing is.
    """

    running: int
    queued: int
    waiting: int
    finished: int
    succeeded: int
    moved_bytes: int
    longest_since: datetime | None
    total: int
    lag_seconds: float | None

    @property
    def longest_seconds(self) -> float | None:
        """How long the longest of the running migrations has run."""
        return (timezone.now() - self.longest_since).total_seconds() if self.longest_since else None


@dataclass(frozen=True)
class WaitingCard:
    """A migration that needs a person: why, since when, and what the button says."""

    migration: Migration
    reason: str
    detail: str
    button: str
    tab: str
    since: datetime | None
    is_failure: bool
    lag: Lag | None = None


@dataclass(frozen=True)
class Pulse:
    """``token`` changes with every row that the dashboard shows; what runs changes with the clock as well."""

    token: str
    is_running: bool


def dashboard_pulse() -> Pulse:
    """Return what tells a poll whether anything changed (one query)."""
    sums = Migration.objects.aggregate(
        count=Count("pk"), revisions=Coalesce(Sum("revision"), 0), running=Count("pk", filter=Q(state__in=RUNNING))
    )
    return Pulse(token=f"{sums['count']}.{sums['revisions']}", is_running=sums["running"] > 0)


def numbers() -> Numbers:
    """Count what the top line shows (three queries)."""
    counts = Migration.objects.aggregate(
        running=Count("pk", filter=Q(state__in=RUNNING)),
        queued=Count("pk", filter=Q(state=State.QUEUED)),
        waiting=Count("pk", filter=shown_by(Show.WAITING)),
        finished=Count("pk", filter=shown_by(Show.FINISHED)),
        succeeded=Count("pk", filter=shown_by(Show.FINISHED) & Q(state=State.SUCCEEDED)),
        longest_since=Min("started_at", filter=Q(state__in=RUNNING)),
        total=Count("pk"),
    )
    moved = MigrationDatabase.objects.filter(migration__in=Migration.objects.filter(_moved_recently()))
    moved_bytes = moved.aggregate(bytes=Coalesce(Sum("bytes_done"), 0))["bytes"]
    return Numbers(moved_bytes=moved_bytes, lag_seconds=longest_lag_seconds(), **counts)


def shown_by(show: Show) -> Q:
    """Return the condition under which a migration is counted by one of the five numbers."""
    if show == Show.WAITING:
        failed = Q(state__in=FAILED, ended_at__gte=recently())
        return Q(state__in=WAITING) | is_resting() | needs_a_look() | failed | _finished_unproved()
    if show == Show.LAG:
        return is_followed()
    if show == Show.FINISHED:
        return Q(state__in=TERMINAL_STATES, ended_at__gte=recently())
    if show == Show.MOVED:
        return _moved_recently() & Q(
            Exists(MigrationDatabase.objects.filter(migration=OuterRef("pk"), bytes_done__gt=0))
        )
    return Q(state__in=RUNNING)


def recently() -> datetime:
    """Return the beginning of what the dashboard calls recent."""
    return timezone.now() - timedelta(days=RECENT_DAYS)


def waiting_cards(*, limit: int = WAITING_CARDS) -> list[WaitingCard]:
    """Return the newest migrations that wait for a person (three queries)."""
    rows = migrations_with_endpoints().filter(shown_by(Show.WAITING)).order_by("-ended_at", "-created_at", "pk")
    open_findings = MigrationFinding.objects.filter(migration=OuterRef("pk"), level=Level.FAILED)
    unaccepted = MigrationFinding.objects.filter(migration=OuterRef("pk"), accepted_at__isnull=True)
    warnings = unaccepted.filter(level__in=ACCEPTABLE, phase=VALIDATION_PHASE)
    migrations = list(rows.annotate(open_findings=counted(open_findings), open_warnings=counted(warnings))[:limit])
    databases = _unproved_databases([migration for migration in migrations if migration.is_terminal])
    lags = lags_of([migration.pk for migration in migrations if not migration.is_terminal])
    return [
        _card(migration, unproved=databases.get(migration.pk, []), lag=lags.get(migration.pk))
        for migration in migrations
    ]


def _moved_recently() -> Q:
    return Q(started_at__isnull=False) & (Q(ended_at__gte=recently()) | Q(state__in=RUNNING))


def _finished_unproved() -> Q:
    unproved = MigrationDatabase.objects.filter(migration=OuterRef("pk"), verified__in=UNPROVED)
    return Q(state=State.SUCCEEDED, ended_at__gte=recently()) & Q(Exists(unproved))


def _unproved_databases(migrations: Sequence[Migration]) -> dict[UUID, list[MigrationDatabase]]:
    if not migrations:
        return {}
    rows = MigrationDatabase.objects.filter(migration__in=[row.pk for row in migrations], verified__in=UNPROVED)
    found: dict[UUID, list[MigrationDatabase]] = {}
    for row in rows.only("migration_id", "source_name", "verified"):
        found.setdefault(row.migration_id, []).append(row)
    return found


def _card(migration: Migration, *, unproved: Sequence[MigrationDatabase], lag: Lag | None) -> WaitingCard:
    reason, detail, button, tab = _words_of_lag(migration, lag) or _words(migration, unproved=unproved)
    return WaitingCard(
        migration=migration,
        reason=reason,
        detail=detail,
        button=button,
        tab=tab,
        since=migration.ended_at or (lag and (lag.since or lag.caught_up_at)) or migration.started_at,
        is_failure=migration.state in FAILED or (lag is not None and lag.broken),
        lag=lag,
    )


def _words_of_lag(migration: Migration, lag: Lag | None) -> tuple[str, str, str, str] | None:
    """The same for a migration that is followed; None for any other."""
    if lag is None:
        return None
    if lag.drifting:
        return _words_of_differences(migration, lag)
    if lag.broken:
        return "Replication stopped", lag.error, "See the error", "replication"
    if lag.paused:
        return "Replication is paused", "The slot keeps the source's log meanwhile", "Look at it", "replication"
    if lag.differences:
        return _words_of_differences(migration, lag)
    if words := _words_of_watching(migration, lag):
        return "Needs a look", words, "Look at it", "replication"
    if migration.substate == Substate.WAITING_FOR_FALL_BACK:
        return "Cut over, and the way back is open", "", "Go back, or finish", "cutover"
    return "Ready to cut over", "", "Cut over", "cutover"


def _words_of_differences(migration: Migration, lag: Lag) -> tuple[str, str, str, str]:
    number = wording.counted(lag.differences, "difference")
    then = "going back" if migration.substate == Substate.WAITING_FOR_FALL_BACK else "the cutover"
    return "Definitions differ", f"{number} to resolve before {then}", "See what to do", "replication"


def _words_of_watching(migration: Migration, lag: Lag) -> str:
    """Thresholds that are passed, and reminders; empty where there are none."""
    reminders = [
        f"{each.words.lower()} for more than {each.days} day{'' if each.days == 1 else 's'}"
        for each in reminders_of(migration, waits_since=lag.waits_since)
    ]
    parts = [*lag.over, *reminders]
    words = "; ".join(parts)
    return words[:1].upper() + words[1:]


def _words(migration: Migration, *, unproved: Sequence[MigrationDatabase]) -> tuple[str, str, str, str]:
    """Return reason, detail, the button's words and the tab that it opens."""
    if migration.state == State.VALIDATION_FAILED:
        count: int = migration.open_findings  # type: ignore[attr-defined]
        noun = "finding" if count == 1 else "findings"
        return "Validation failed", f"{count} {noun} to fix before it can run", f"See {noun}", "findings"
    if migration.substate == Substate.WAITING_FOR_ACCEPTANCE:
        open_warnings: int = migration.open_warnings  # type: ignore[attr-defined]
        words = "1 warning to accept" if open_warnings == 1 else f"{open_warnings} warnings to accept"
        return words, "Validation is done; nothing has been moved yet", "Read and accept", "findings"
    if unproved:
        return _unproved_words(unproved)
    if migration.state == State.FAILED:
        return "Failed", migration.error, "See what failed", ""
    reason = migration.get_substate_display() if migration.substate else migration.get_state_display()
    return reason, migration.error, "Decide", ""


def _unproved_words(databases: Sequence[MigrationDatabase]) -> tuple[str, str, str, str]:
    different = [row.source_name for row in databases if row.verified == CheckResult.DIFFERENT]
    if different:
        return "Source and target differ", f"In {_names(different)}", "See differences", "verification"
    unproved = [row.source_name for row in databases]
    return "Not everything could be verified", f"In {_names(unproved)}", "See what is not proved", "verification"


def _names(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")
