"""Check findings again, one rule or all, without starting or moving anything; its run is a lease like any other."""

from __future__ import annotations

import logging
from dataclasses import replace
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, EngineError, LeaseLost
from migrations_app.engine.migrating import run_tag
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationSpec
from migrations_app.engine.validation import validate
from migrations_app.following import is_following
from migrations_app.lifecycle import StaleTransition
from migrations_app.models import (
    TERMINAL_STATES,
    EventKind,
    FindingCheck,
    Migration,
    MigrationEvent,
    MigrationFinding,
    State,
)
from migrations_app.services.clearing import end_sessions
from migrations_app.services.consent import settle_after_check
from migrations_app.services.heartbeat import Heartbeat
from migrations_app.services.lease import Lease, claim, fenced, release
from migrations_app.services.patience import DATABASE_AWAY
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.recording import FindingLedger, Ledger, LogLedger
from migrations_app.services.recording.findings import VALIDATION_PHASE
from migrations_app.services.recording.mended import codes_beside, is_of_databases_only
from migrations_app.services.runs import ActionRefused, passwords_forgotten, ring
from migrations_app.services.spec import spec_for
from migrations_app.worker.draining import is_draining

logger = logging.getLogger(__name__)

CHECKABLE = (State.DRAFT, State.WAITING_FOR_USER, *TERMINAL_STATES)
ATTEMPTS = 5


def check_ask(
    migration_id: UUID, *, finding_id: int | None = None, actor: User | None = None, address: str | None = None
) -> FindingCheck:
    """Ask for one finding's rule, or for every rule, to be run again by a worker. Raises ``ActionRefused``.

    Asking twice for the same is asking once.
    """
    with transaction.atomic():
        migration = (
            Migration.objects.select_for_update(of=("self",)).select_related("source", "target").get(pk=migration_id)
        )
        _require_checkable(migration)
        wanted = _wanted(migration, finding_id)
        same = migration.checks.filter(ended_at__isnull=True, codes=wanted.codes, database_id=wanted.database_id)
        if (known := same.first()) is not None:
            return known
        wanted.asked_by = actor
        wanted.save()
        _write_event(migration, f"Asked to check again: {wanted}.", actor=actor, address=address)
        ring(migration_id)
    return wanted


def _require_checkable(migration: Migration) -> None:
    problems = []
    if migration.state not in CHECKABLE or is_following(migration):
        label = State(migration.state).label.lower()
        raise ActionRefused(f"{migration.name} cannot be checked now: it is {label}.", hint="Wait until it has ended.")
    for side in passwords_forgotten(migration):
        problems.append(f"The {side} password was erased when the migration ended.")
    for side, row in (("source", migration.source), ("target", migration.target)):
        if not row.host or not row.username:
            problems.append(f"The {side} server is not chosen yet.")
    if not migration.databases.exists():
        problems.append("No database is chosen yet.")
    if problems:
        raise ActionRefused(f"{migration.name} cannot be checked.", hint=" ".join(problems))


def _wanted(migration: Migration, finding_id: int | None) -> FindingCheck:
    """The check that answers the question; a finding that no rule makes, such as a refused login, asks for all."""
    if finding_id is None:
        return FindingCheck(migration=migration)
    finding = migration.findings.filter(pk=finding_id).first()
    if finding is None:
        raise ActionRefused("This finding is gone; it may be mended.", hint="Look at the list as it is now.")
    if finding.phase != VALIDATION_PHASE:
        raise ActionRefused(
            f"{finding.code} was not found by the validation, so no rule can look at it again.",
            hint="Resume or repeat the migration to see whether it is still so.",
        )
    codes = sorted(codes_beside(finding.code))
    database_id = finding.database_id if is_of_databases_only(finding.code) else None
    subject = f"{finding.code} {finding.subject}"
    return FindingCheck(migration=migration, codes=codes, database_id=database_id, subject=subject)


def conduct_checks(migration_id: UUID) -> str | None:
    """Run the open checks of a migration that nobody drives; None when there is nothing to do."""
    checks = FindingCheck.objects.filter(migration_id=migration_id, ended_at__isnull=True)
    if is_draining() or not checks.filter(migration__state__in=CHECKABLE).exists():
        return None
    lease = claim(migration_id)
    if lease is None:
        return None
    is_in_order = False
    try:
        said = _run_all(lease)
        is_in_order = True
    finally:
        release(lease, is_in_order=is_in_order)
    settle_after_check(migration_id)
    if Migration.objects.filter(pk=migration_id, state=State.QUEUED).exists():
        ring(migration_id)  # it was started, canceled or let go on while the check held the lease
    return said


def _run_all(lease: Lease) -> str:
    control = Control(fence=lease.fence)
    count = 0
    with Heartbeat(lease, control=control):
        while (check := _next(lease.migration_id)) is not None:
            try:
                _run(check, lease, control)
            except (LeaseLost, StaleTransition, *DATABASE_AWAY) as error:
                logger.warning("check %s of migration %s stopped: %s", check.pk, lease.migration_id, error)
                return "the check stopped; another worker goes on"
            count += 1
    return f"checked {count} times"


def _next(migration_id: UUID) -> FindingCheck | None:
    found = FindingCheck.objects.filter(migration_id=migration_id, ended_at__isnull=True)
    return found.select_related("database").first()


def _run(check: FindingCheck, lease: Lease, control: Control) -> None:
    if lease.attempt > ATTEMPTS:
        _end(check, lease, f"Not checked: {check}. Its worker ended abruptly {ATTEMPTS} times.")
        return
    try:
        control.check()
        _validate(check, control)
        outcome = _outcome(check)
    except Canceled:
        end_sessions(lease.migration_id, fence=lease.fence)
        outcome = f"Not checked, because the migration was canceled: {check}."
    except LeaseLost:
        raise
    except EngineError as error:
        outcome = f"Not checked: {check}. {error.message}"
    finally:
        if not connection.in_atomic_block:
            connection.close()
    _end(check, lease, outcome)


def _validate(check: FindingCheck, control: Control) -> None:
    migration = Migration.objects.select_related("source", "target").get(pk=check.migration_id)
    spec = _limited(spec_for(migration), check)
    tag = run_tag(spec.id, fence=control.fence)
    source, target = Server(spec.source, tag=tag, control=control), Server(spec.target, tag=tag, control=control)
    ledgers: list[list[Ledger]] = [
        [FindingLedger(migration.pk, only_database=check.database_id), LogLedger(migration.pk)]
    ]
    with ProgressRecorder(migration.pk, control=control, ledgers=ledgers) as recorder:
        validate(spec, source, target, recorder, only_codes=check.codes)


def _limited(spec: MigrationSpec, check: FindingCheck) -> MigrationSpec:
    if check.database_id is None:
        return spec
    databases = tuple(database for database in spec.databases if database.id == str(check.database_id))
    return replace(spec, databases=databases)


def _outcome(check: FindingCheck) -> str:
    if not check.subject:
        count = MigrationFinding.objects.filter(migration_id=check.migration_id, phase=VALIDATION_PHASE).count()
        return f"Checked again: every rule. {count} finding{'' if count == 1 else 's'} now."
    code, _, subject = check.subject.partition(" ")
    same = MigrationFinding.objects.filter(migration_id=check.migration_id, code=code, subject=subject)
    is_there = same.filter(**({"database_id": check.database_id} if check.database_id else {})).exists()
    return f"Checked again: {check} {'is still so' if is_there else 'is mended'}."


def _end(check: FindingCheck, lease: Lease, outcome: str) -> None:
    with fenced(lease.migration_id, fence=lease.fence):
        FindingCheck.objects.filter(pk=check.pk).update(ended_at=Now())
        _write_event(check.migration, outcome, actor=None, address=None)


def _write_event(migration: Migration, message: str, *, actor: User | None, address: str | None) -> None:
    kind = EventKind.ACTION if actor else EventKind.NOTE
    MigrationEvent.objects.create(migration=migration, kind=kind, message=message, actor=actor, address=address)
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1)
