"""Warnings that people accept: who, when and why; and the migration that waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from migrations_app.engine.events import Step
from migrations_app.engine.findings import ACCEPTABLE, Level
from migrations_app.engine.spec import AtWarnings, MigrationOption
from migrations_app.lifecycle import StaleTransition, transition
from migrations_app.models import EventKind, Migration, MigrationEvent, MigrationFinding, State, StepState, Substate
from migrations_app.services.lease import Lease, demand_fence
from migrations_app.services.recording.findings import NOT_ACCEPTED, VALIDATION_PHASE
from migrations_app.services.runs import ActionRefused, ring

REASON_MAX = 500


@dataclass(frozen=True)
class Person:
    """Who decides: a login of the portal with its address, or ``name``, the account at a command line."""

    user: User | None = None
    address: str | None = None
    name: str = ""


def open_warnings(migration_id: UUID) -> QuerySet[MigrationFinding]:
    """Return what the validation found that a person could accept and nobody has."""
    validated = MigrationFinding.objects.filter(migration_id=migration_id, phase=VALIDATION_PHASE)
    return validated.filter(level__in=ACCEPTABLE, accepted_at__isnull=True)


def waits_at_warnings(migration: Migration) -> bool:
    """Tell whether this migration was told to wait until every warning is accepted."""
    moves = migration.option == MigrationOption.VALIDATE_AND_MIGRATE
    return moves and migration.at_warnings == AtWarnings.WAIT


def finding_accept(migration_id: UUID, findings: Sequence[int], *, reason: str, by: Person) -> int:
    """Accept warnings as they are, and return how many; a migration that waited for the last one goes on.

    One that is accepted already stays as it is. Raises ``ActionRefused`` without a reason, or for another level.
    """
    reason = _reason(reason)
    with transaction.atomic():
        migration = _locked(migration_id)
        rows = migration.findings.filter(pk__in=findings)
        _require_acceptable(rows, wanted=len(set(findings)))
        accepted = list(rows.filter(accepted_at__isnull=True).select_related("database"))
        _accept(accepted, reason=reason, by=by)
        for row in accepted:
            _write_event(migration, f"Accepted: {row.code} {row.subject}. Reason: {reason}", by=by, finding=row)
        _note_change(migration_id)
        _go_on_if_nothing_is_open(migration, by=by)
    return len(accepted)


def finding_reopen(migration_id: UUID, finding_id: int, *, by: Person) -> None:
    """Take an acceptance back. Raises ``ActionRefused`` where there is none."""
    with transaction.atomic():
        migration = _locked(migration_id)
        row = migration.findings.select_related("database").filter(pk=finding_id, accepted_at__isnull=False).first()
        if row is None:
            raise ActionRefused("This finding is not accepted.", hint="Somebody may have taken it back already.")
        migration.findings.filter(pk=row.pk).update(changed_at=Now(), **NOT_ACCEPTED)
        _write_event(migration, f"Not accepted any more: {row.code} {row.subject}.", by=by, finding=row)
        _note_change(migration_id)


def migration_go_on(migration_id: UUID, *, reason: str, by: Person) -> None:
    """Accept every open warning with one reason, and let the migration go on. Raises ``ActionRefused``."""
    reason = _reason(reason)
    with transaction.atomic():
        migration = _locked(migration_id)
        if not is_waiting_for_acceptance(migration):
            label = State(migration.state).label.lower()
            raise ActionRefused(
                f"{migration.name} does not wait for warnings: it is {label}.", hint="Look at it again."
            )
        rows = list(open_warnings(migration_id))
        _accept(rows, reason=reason, by=by)
        words = "1 open warning" if len(rows) == 1 else f"{len(rows)} open warnings"
        _write_event(migration, f"Accepted {words} at once, to go on anyway. Reason: {reason}", by=by)
        _go_on_if_nothing_is_open(migration, by=by)


def is_waiting_for_acceptance(migration: Migration) -> bool:
    """Tell whether the migration waits for warnings to be accepted."""
    return migration.state == State.WAITING_FOR_USER and migration.substate == Substate.WAITING_FOR_ACCEPTANCE


def wait_for_acceptance(lease: Lease) -> bool:
    """Let the migration wait, without a run; False where nothing is open any more, or a person canceled it.

    Whoever accepts locks the migration as well, so the last acceptance is either seen here or finds it waiting.
    Raises ``StaleTransition`` when another run owns the migration.
    """
    with transaction.atomic():
        demand_fence(lease.migration_id, fence=lease.fence)
        migration = _locked(lease.migration_id)
        count = open_warnings(lease.migration_id).count()
        if not count or migration.cancel_requested_at is not None:
            return False
        words = "1 warning" if count == 1 else f"{count} warnings"
        transition(
            lease.migration_id,
            expect=[State.IN_PROGRESS],
            to=State.WAITING_FOR_USER,
            substate=Substate.WAITING_FOR_ACCEPTANCE,
            message=f"Waits until {words} {'is' if count == 1 else 'are'} accepted.",
            fence=lease.fence,
        )
    return True


def settle_after_check(migration_id: UUID) -> None:
    """After a check, let a migration that waits go on, fail the validation, or wait on, as the findings say now."""
    with transaction.atomic():
        migration = _locked(migration_id)
        if not is_waiting_for_acceptance(migration) or migration.cancel_requested_at is not None:
            return
        if failed := _failures(migration_id):
            _fail_validation(migration, count=failed)
        else:
            _go_on_if_nothing_is_open(migration, by=Person())


def _failures(migration_id: UUID) -> int:
    validated = MigrationFinding.objects.filter(migration_id=migration_id, phase=VALIDATION_PHASE)
    return validated.filter(level=Level.FAILED).count()


def _fail_validation(migration: Migration, *, count: int) -> None:
    """The check found what stops a migration; a resume has to validate anew."""
    reasons = "1 reason" if count == 1 else f"{count} reasons"
    transition(
        migration.pk,
        expect=[State.WAITING_FOR_USER],
        to=State.VALIDATION_FAILED,
        message="Validation failed, when it was checked again.",
        error=f"Validation found {reasons} why the migration would fail.",
        error_hint="Mend what the findings name, then validate again.",
    )
    step = migration.step_times.get(Step.VALIDATE.value, {}) | {"state": StepState.FAILED.value}
    times = migration.step_times | {Step.VALIDATE.value: step}
    Migration.objects.filter(pk=migration.pk).update(step_times=times)
    migration.databases.update(state=State.VALIDATION_FAILED)


def _go_on_if_nothing_is_open(migration: Migration, *, by: Person) -> None:
    if not is_waiting_for_acceptance(migration) or open_warnings(migration.pk).exists():
        return
    if _failures(migration.pk):
        return
    try:
        transition(
            migration.pk,
            expect=[State.WAITING_FOR_USER],
            to=State.QUEUED,
            message="Every warning is accepted or mended; the migration goes on.",
            actor=by.user,
            address=by.address,
        )
    except StaleTransition as stale:
        raise ActionRefused(f"{migration.name} does not wait any more.", hint="Look at it again.") from stale
    ring(migration.pk)


def _accept(rows: Sequence[MigrationFinding], *, reason: str, by: Person) -> None:
    values: dict[str, Any] = {"accepted_by": by.user, "accepted_from": by.name, "accepted_reason": reason}
    found = MigrationFinding.objects.filter(pk__in=[row.pk for row in rows])
    found.update(accepted_at=Now(), changed_at=Now(), **values)


def _reason(text: str) -> str:
    reason = text.replace("\x00", "").strip()
    if not reason:
        raise ActionRefused("A reason is missing.", hint="Say in a sentence why this may stay as it is.")
    if len(reason) > REASON_MAX:
        raise ActionRefused(f"The reason has {len(reason)} characters.", hint=f"Use at most {REASON_MAX}.")
    return reason


def _require_acceptable(rows: QuerySet[MigrationFinding], *, wanted: int) -> None:
    if rows.count() < wanted:
        raise ActionRefused("This finding is gone; it may be mended.", hint="Look at the list as it is now.")
    other = rows.exclude(level__in=ACCEPTABLE).first()
    if other is not None:
        raise ActionRefused(
            f"{other.code} {other.subject} is no warning.",
            hint="What fails must be mended; what is for information needs no consent.",
        )


def _locked(migration_id: UUID) -> Migration:
    return Migration.objects.select_for_update(of=("self",)).get(pk=migration_id)


def _note_change(migration_id: UUID) -> None:
    Migration.objects.filter(pk=migration_id).update(revision=F("revision") + 1)


def _write_event(migration: Migration, message: str, *, by: Person, finding: MigrationFinding | None = None) -> None:
    who = f" ({by.name}, on the command line)" if by.name else ""
    MigrationEvent.objects.create(
        migration=migration,
        database=finding.database if finding else None,
        kind=EventKind.ACTION,
        message=message + who,
        actor=by.user,
        address=by.address,
    )
