"""Everything the migration page shows above its tabs, in few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from migrations_app.engine.events import CheckResult, Step
from migrations_app.engine.findings import Level
from migrations_app.models import (
    FindingCheck,
    Migration,
    MigrationDatabase,
    MigrationFinding,
    StepState,
    VerificationResult,
)
from migrations_app.selectors.counting import counted
from migrations_app.selectors.rail import RailStep, current_step, failed_step, rail_of
from migrations_app.selectors.throughput import Throughput, throughput_of
from migrations_app.selectors.totals import Totals, totals_of

SECRET_COLUMNS = (
    "source__sealed_password",
    "target__sealed_password",
    "source__ca_certificate",
    "target__ca_certificate",
)


@dataclass(frozen=True)
class TabCounts:
    """The numbers beside the names of the tabs."""

    findings: int
    findings_failed: int
    findings_warning: int
    findings_unknown: int
    findings_accepted: int
    verified: int
    different: int
    could_not_verify: int

    @property
    def open_warnings(self) -> int:
        """What a person could accept and nobody has."""
        return self.findings_warning + self.findings_unknown

    @property
    def identical(self) -> int:
        """Objects proved to be the same on both servers."""
        return self.verified - self.different - self.could_not_verify


@dataclass(frozen=True)
class MigrationPage:
    """One migration as its page shows it."""

    migration: Migration
    databases: tuple[MigrationDatabase, ...]
    totals: Totals
    rail: tuple[RailStep, ...]
    throughput: Throughput
    counts: TabCounts
    checks_open: int
    findings_token: str

    @property
    def current(self) -> RailStep | None:
        """The step that runs now."""
        return current_step(self.rail)

    @property
    def failed(self) -> RailStep | None:
        """The step at which the migration failed."""
        return failed_step(self.rail)

    @property
    def elapsed_seconds(self) -> float | None:
        """From the start to the end, or to now; None before the start."""
        return elapsed_seconds(self.migration)

    @property
    def seconds_left(self) -> float | None:
        """An estimate of the rest of the copy, while it copies."""
        if self.current is None or self.current.step != Step.COPY:
            return None
        return self.throughput.rate.seconds_left(self.totals.bytes_left)


def elapsed_seconds(migration: Migration) -> float | None:
    """Return how long a migration took, or has taken so far; None before its start."""
    if migration.started_at is None:
        return None
    return max(((migration.ended_at or timezone.now()) - migration.started_at).total_seconds(), 0.0)


def migrations_with_endpoints() -> QuerySet[Migration]:
    """Return migrations with their servers and without anything secret."""
    return Migration.objects.select_related("source", "target", "created_by").defer(*SECRET_COLUMNS)


def migration_revision(migration_id: UUID) -> int | None:
    """Return the number that grows with everything the page shows; None where there is no such migration."""
    return Migration.objects.filter(pk=migration_id).values_list("revision", flat=True).first()


def migration_page(migration_id: UUID, *, with_line: bool = True) -> MigrationPage:
    """Read one migration for its page: three queries, two where the page shows no speed.

    Raises ``Migration.DoesNotExist``.
    """
    migration = _with_counts(migrations_with_endpoints()).get(pk=migration_id)
    databases = tuple(migration.databases.all())
    rail = tuple(rail_of(migration, databases))
    return MigrationPage(
        migration=migration,
        databases=databases,
        totals=totals_of(databases),
        rail=rail,
        throughput=_throughput(migration, rail, with_line=with_line),
        counts=_counts(migration),
        checks_open=migration.count_checks,  # type: ignore[attr-defined]
        findings_token=_findings_token(migration),
    )


def _findings_token(migration: Migration) -> str:
    """A word that changes with anything that the list of findings shows."""
    changed_at: datetime | None = migration.findings_changed_at  # type: ignore[attr-defined]
    moment = f"{changed_at.timestamp():.6f}" if changed_at else "never"
    return f"{migration.count_findings}.{moment}.{migration.count_checks}.{migration.state}"  # type: ignore[attr-defined]


def _throughput(migration: Migration, rail: Sequence[RailStep], *, with_line: bool) -> Throughput:
    copy = next(step for step in rail if step.step == Step.COPY)
    running = copy.state == StepState.RUNNING
    if not with_line and not running:
        return Throughput()
    return throughput_of(migration.pk, since=copy.started_at, until=None if running else _end(copy, migration))


def _end(step: RailStep, migration: Migration) -> datetime | None:
    return step.ended_at or migration.ended_at


def _with_counts(migrations: QuerySet[Migration]) -> QuerySet[Migration]:
    findings = MigrationFinding.objects.filter(migration=OuterRef("pk"))
    verified = VerificationResult.objects.filter(database__migration=OuterRef("pk"))
    return migrations.annotate(
        count_findings=counted(findings),
        count_failed=counted(findings.filter(level=Level.FAILED)),
        count_warning=counted(findings.filter(level=Level.WARNING, accepted_at__isnull=True)),
        count_unknown=counted(findings.filter(level=Level.UNKNOWN, accepted_at__isnull=True)),
        count_accepted=counted(findings.filter(accepted_at__isnull=False)),
        count_checks=counted(FindingCheck.objects.filter(migration=OuterRef("pk"), ended_at__isnull=True)),
        findings_changed_at=Subquery(findings.order_by("-changed_at").values("changed_at")[:1]),
        count_verified=counted(verified),
        count_different=counted(verified.filter(result=CheckResult.DIFFERENT)),
        count_unverified=counted(verified.filter(result=CheckResult.COULD_NOT_VERIFY)),
    )


def _counts(migration: Migration) -> TabCounts:
    return TabCounts(
        findings=migration.count_findings,  # type: ignore[attr-defined]
        findings_failed=migration.count_failed,  # type: ignore[attr-defined]
        findings_warning=migration.count_warning,  # type: ignore[attr-defined]
        findings_unknown=migration.count_unknown,  # type: ignore[attr-defined]
        findings_accepted=migration.count_accepted,  # type: ignore[attr-defined]
        verified=migration.count_verified,  # type: ignore[attr-defined]
        different=migration.count_different,  # type: ignore[attr-defined]
        could_not_verify=migration.count_unverified,  # type: ignore[attr-defined]
    )
