"""The list of all migrations: filters, pages, and the rows that changed since a browser last looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Sum

from migrations_app.engine.events import CheckResult, Step
from migrations_app.engine.spec import MigrationMode
from migrations_app.models import Migration, MigrationDatabase, State, StepState
from migrations_app.selectors.dashboard import RUNNING, Show, shown_by
from migrations_app.selectors.lag import Lag, lags_of
from migrations_app.selectors.migration_page import elapsed_seconds, migrations_with_endpoints
from migrations_app.selectors.rail import DOING
from migrations_app.selectors.throughput import Rate, current_rates
from migrations_app.selectors.totals import percent_of

MIGRATIONS_PER_PAGE = 50
NOT_SHOWN = ("error_hint", "error_server_message", "source__facts", "target__facts")


@dataclass(frozen=True)
class ListFilter:
    """What the list is narrowed to; empty means everything."""

    show: Show | None = None
    state: str = ""
    mode: str = ""
    source_type: str = ""
    who: str = ""
    text: str = ""

    @property
    def is_active(self) -> bool:
        """True where the list does not show everything."""
        return self != ListFilter()


@dataclass(frozen=True)
class MigrationRow:
    """One line of the list."""

    migration: Migration
    databases: int
    bytes_total: int
    bytes_done: int
    tables_total: int
    tables_done: int
    different: int
    could_not_verify: int
    step: Step | None
    rate: Rate
    lag: Lag | None = None

    @property
    def percent(self) -> int:
        """Share of the data that has arrived."""
        return percent_of(self.bytes_done, self.bytes_total, complete=0 < self.tables_total == self.tables_done)

    @property
    def is_running(self) -> bool:
        """Something happens right now."""
        return self.migration.state in RUNNING

    @property
    def phase(self) -> str:
        """What it does, in words."""
        if self.migration.cancel_requested_at and self.is_running:
            return "Canceling"
        if self.is_running and self.step:
            return DOING[self.step]
        return self.migration.get_substate_display() if self.migration.substate else ""

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the rest of the copy, where one exists."""
        return self.rate.seconds_left(max(self.bytes_total - self.bytes_done, 0)) if self.step == Step.COPY else None

    @property
    def elapsed_seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        return elapsed_seconds(self.migration)


def filtered(only: ListFilter) -> QuerySet[Migration]:
    """Return the migrations that pass the filter, the newest first, so that the order never changes while one looks."""
    rows = migrations_with_endpoints().defer(*NOT_SHOWN)
    if only.show:
        rows = rows.filter(shown_by(only.show))
    columns = {
        "state": only.state,
        "mode": only.mode,
        "source_type": only.source_type,
        "created_by__username": only.who,
    }
    rows = rows.filter(**{column: value for column, value in columns.items() if value})
    if only.text:
        rows = rows.filter(_mentions(only.text))
    if only.show == Show.LAG:
        longest = Max("databases__replications__lag_seconds", filter=Q(databases__replications__ended_at__isnull=True))
        return rows.annotate(longest=longest).order_by(F("longest").desc(nulls_last=True), "pk")
    if only.show == Show.LONGEST:
        return rows.order_by("started_at", "pk")
    return rows.order_by("-created_at", "pk")


def migration_page_of_list(only: ListFilter, *, page: int | str) -> Page[Any]:
    """Return one page of rows (five queries)."""
    paginator = Paginator(filtered(only), MIGRATIONS_PER_PAGE)
    found = paginator.get_page(page)
    return Page(rows_of(list(found.object_list)), found.number, paginator)


def changed_rows(seen: Mapping[UUID, int], *, with_running: bool = False) -> list[MigrationRow]:
    """Return the rows whose revision is not the one that the browser has seen; if asked, also those that run."""
    now = Migration.objects.filter(pk__in=seen).values_list("pk", "revision", "state")
    changed = [pk for pk, revision, state in now if revision != seen[pk] or (with_running and state in RUNNING)]
    if not changed:
        return []
    return rows_of(list(migrations_with_endpoints().defer(*NOT_SHOWN).filter(pk__in=changed)))


def rows_of(migrations: Sequence[Migration]) -> list[MigrationRow]:
    """Add the sums over their databases, the current rates, and how far behind they are (three queries)."""
    sums = _sums(migrations)
    rates = current_rates([migration.pk for migration in migrations if migration.state in RUNNING])
    lags = lags_of([migration.pk for migration in migrations if may_follow(migration)])
    return [
        _row(
            migration,
            sums=sums.get(migration.pk, {}),
            rate=rates.get(migration.pk, Rate()),
            lag=lags.get(migration.pk),
        )
        for migration in migrations
    ]


def people() -> list[str]:
    """Return the names of everybody who made a migration."""
    made = Migration.objects.filter(created_by=OuterRef("pk"))
    return list(User.objects.filter(Exists(made)).order_by("username").values_list("username", flat=True))


def _mentions(text: str) -> Q:
    named = MigrationDatabase.objects.filter(migration=OuterRef("pk")).filter(
        Q(source_name__icontains=text) | Q(target_name__icontains=text)
    )
    servers = Q(source__host__icontains=text) | Q(target__host__icontains=text)
    return Q(name__icontains=text) | servers | Q(Exists(named))


def _sums(migrations: Iterable[Migration]) -> dict[UUID, dict[str, Any]]:
    rows = (
        MigrationDatabase.objects.filter(migration__in=[migration.pk for migration in migrations])
        .order_by()
        .values("migration_id")
        .annotate(
            databases=Count("pk"),
            bytes_total=Sum("bytes_total"),
            bytes_done=Sum("bytes_done"),
            tables_total=Sum("tables_total"),
            tables_done=Sum("tables_done"),
            different=Count("pk", filter=Q(verified=CheckResult.DIFFERENT)),
            could_not_verify=Count("pk", filter=Q(verified=CheckResult.COULD_NOT_VERIFY)),
            steps=ArrayAgg("step", filter=Q(state=State.IN_PROGRESS), distinct=True, default=[]),
        )
    )
    found: list[dict[str, Any]] = [dict(row) for row in rows]
    return {row.pop("migration_id"): row for row in found}


def _running_steps(migration: Migration) -> list[str]:
    return [step for step, times in migration.step_times.items() if times.get("state") == StepState.RUNNING]


def may_follow(migration: Migration) -> bool:
    """Tell whether any of its databases may be followed now."""
    return migration.mode == MigrationMode.ONLINE and migration.is_active


def _row(migration: Migration, *, sums: dict[str, Any], rate: Rate, lag: Lag | None) -> MigrationRow:
    steps = {*sums.pop("steps", []), *_running_steps(migration)}
    numbers = dict.fromkeys(
        ("databases", "bytes_total", "bytes_done", "tables_total", "tables_done", "different", "could_not_verify"), 0
    )
    return MigrationRow(
        migration=migration,
        step=next((step for step in Step if step.value in steps), None),
        rate=rate,
        lag=lag,
        **(numbers | sums),
    )
