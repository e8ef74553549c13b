"""The cutover page: what has to be true before it, what it would take, how it goes, what may be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from migrations_app.engine.events import CheckResult
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.following import FollowedDatabase, direction_of, followed_databases, takes_requests, why_not
from migrations_app.models import (
    CutoverAttempt,
    CutoverStepTime,
    Migration,
    OnlinePhase,
    ReplicationRequest,
    VerificationResult,
)
from migrations_app.models.states import AFTER_CUTOVER

CLOSE_BYTES = 16 * 1024 * 1024
REHEARSAL_FRESH_SECONDS = 24 * 3600
GOOD_SLOT = ("reserved", "extended", "")


@dataclass(frozen=True)
class CheckLine:
    """One line of the checklist; ``is_met`` None is worth doing and stops nothing."""

    is_met: bool | None
    words: str
    detail: str = ""


@dataclass(frozen=True)
class DatabasePanel:
    """One database on the cutover page."""

    each: FollowedDatabase
    attempt: CutoverAttempt | None
    steps: tuple[CutoverStepTime, ...]
    done: CutoverAttempt | None
    done_steps: tuple[CutoverStepTime, ...]
    rehearsal: CutoverAttempt | None
    rehearsal_steps: tuple[CutoverStepTime, ...]
    checks: tuple[CheckLine, ...]
    refusals: dict[str, str]
    identical_tables: int = 0
    not_identical: int = 0

    @property
    def is_running(self) -> bool:
        """A cutover or a rehearsal is under way."""
        return self.attempt is not None and self.attempt.ended_at is None

    @property
    def is_undone(self) -> bool:
        """The newest attempt did not get to its end."""
        return self.attempt is not None and self.attempt.result == CutoverResult.UNDONE

    @property
    def blocked_since(self) -> datetime | None:
        """Since when nobody writes, while a cutover runs."""
        if not self.is_running or (self.attempt and self.attempt.is_rehearsal):
            return None
        return next((step.started_at for step in self.steps if step.step == CutoverStep.FENCE), None)

    @property
    def is_cut_over(self) -> bool:
        """The target is in use."""
        return self.each.database.phase in (OnlinePhase.CUT_OVER, OnlinePhase.GOING_BACK)

    @property
    def is_ready(self) -> bool:
        """Nothing on the list stands in the way."""
        return all(check.is_met is not False for check in self.checks)


@dataclass(frozen=True)
class CutoverPage:
    """One database, or all that are followed; ``level`` is the verification asked for last, else the wizard's."""

    panels: tuple[DatabasePanel, ...]
    is_alive: bool
    level: str

    def allowed(self, kind: RequestKind) -> list[DatabasePanel]:
        """The databases of which this may be asked now."""
        return [panel for panel in self.panels if self.is_alive and not panel.refusals[kind.value]]

    @property
    def may_cut_over(self) -> bool:
        """All that are not cut over yet can be, together."""
        before = [panel for panel in self.panels if not panel.is_cut_over and not panel.each.database.ended_at]
        return bool(before) and len(self.allowed(RequestKind.CUTOVER)) == len(before)

    @property
    def may_rehearse(self) -> bool:
        """At least one cutover can be rehearsed."""
        return bool(self.allowed(RequestKind.REHEARSE))

    @property
    def may_decide(self) -> bool:
        """At least one database has a way back that can be taken or given up."""
        return bool(self.allowed(RequestKind.FINISH))

    @property
    def expected_seconds(self) -> float | None:
        """The longest downtime of the last rehearsals, where each database was rehearsed."""
        seconds = [panel.rehearsal.downtime_seconds for panel in self.panels if panel.rehearsal]
        known = [each for each in seconds if each is not None]
        return max(known) if known and len(known) == len(self.panels) else None

    @property
    def is_moving(self) -> bool:
        """Something runs, or was asked for, so that the page changes within seconds."""
        return any(panel.is_running or panel.each.open_request for panel in self.panels)


def cutover_page(migration: Migration, *, database: str = "") -> CutoverPage:
    """Read the page of one database by its name on the source, or of all (eight queries)."""
    followed = [each for each in followed_databases(migration) if not database or each.name == database]
    keys = [each.database.pk for each in followed]
    attempts, compared = _attempts(keys), _compared(keys)
    panels = tuple(
        _panel(each, attempts.get(each.database.pk, []), compared=compared.get(each.database.pk, (0, 0)))
        for each in followed
    )
    asked = ReplicationRequest.objects.filter(database__in=keys, kind__in=(RequestKind.REHEARSE, RequestKind.CUTOVER))
    level = asked.order_by("-id").values_list("verification", flat=True).first()
    return CutoverPage(panels, is_alive=takes_requests(migration), level=level or migration.cutover_verification)


def _attempts(databases: Sequence[UUID]) -> dict[UUID, list[CutoverAttempt]]:
    rows = CutoverAttempt.objects.filter(database__in=databases).order_by("-id").prefetch_related("steps")
    found: dict[UUID, list[CutoverAttempt]] = {}
    for row in rows:
        found.setdefault(row.database_id, []).append(row)
    return found


def _compared(databases: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return for each database how many tables are identical, and how many objects of any kind are not."""
    identical = Q(result=CheckResult.IDENTICAL)
    counts = (
        VerificationResult.objects.filter(database__in=databases)
        .order_by()
        .values("database_id")
        .annotate(tables=Count("pk", filter=identical & Q(object_class="table")), others=Count("pk", filter=~identical))
    )
    return {row["database_id"]: (row["tables"], row["others"]) for row in counts}


def _panel(each: FollowedDatabase, attempts: Sequence[CutoverAttempt], *, compared: tuple[int, int]) -> DatabasePanel:
    direction = direction_of(each.database).value
    own = [row for row in attempts if row.direction == direction and row.is_rehearsal]
    rehearsal = next((row for row in own if row.result == CutoverResult.REHEARSED), None)
    newest = attempts[0] if attempts else None
    is_over = each.database.phase in AFTER_CUTOVER
    done = next((row for row in attempts if is_over and row.result == CutoverResult.DONE), None)
    return DatabasePanel(
        each=each,
        attempt=newest,
        steps=tuple(newest.steps.all()) if newest else (),
        done=done,
        done_steps=tuple(done.steps.all()) if done else (),
        rehearsal=rehearsal,
        rehearsal_steps=tuple(rehearsal.steps.all()) if rehearsal else (),
        checks=tuple(_checks(each, rehearsal)),
        refusals={kind.value: why_not(each, kind) for kind in RequestKind},
        identical_tables=compared[0],
        not_identical=compared[1],
    )


def _checks(each: FollowedDatabase, rehearsal: CutoverAttempt | None) -> list[CheckLine]:
    row = each.replication
    is_caught_up = each.database.phase not in (OnlinePhase.NONE, OnlinePhase.FOLLOWING)
    lines = [CheckLine(is_caught_up, "Caught up" if is_caught_up else "Not caught up yet")]
    if row is None:
        return lines
    words = {ApplyState.PAUSED: "Replication is paused", ApplyState.BROKEN: "Replication stopped at an error"}
    is_applying = row.state in (ApplyState.APPLYING, ApplyState.STARTING)
    state = "Changes are applied" if is_applying else words.get(ApplyState(row.state), "Replication is reconnecting")
    lines.append(CheckLine(is_applying, state, row.error))
    lines.append(CheckLine(row.lag_bytes is not None and row.lag_bytes <= CLOSE_BYTES, "lag"))
    is_kept = row.wal_status in GOOD_SLOT
    kept = "The slot has all of the source's log that it needs" if is_kept else f"The slot's log is {row.wal_status}"
    lines.append(CheckLine(is_kept, kept))
    lines.append(_rehearsed(rehearsal))
    return lines


def _rehearsed(rehearsal: CutoverAttempt | None) -> CheckLine:
    if rehearsal is None or rehearsal.ended_at is None:
        return CheckLine(None, "Not rehearsed yet", "A rehearsal says how long the writes will be blocked.")
    age = (timezone.now() - rehearsal.ended_at).total_seconds()
    if age > REHEARSAL_FRESH_SECONDS:
        return CheckLine(None, "Rehearsed more than a day ago", "Rehearse again to know how long it takes now.")
    return CheckLine(True, "Rehearsed")
