"""Drive one migration: claim its lease, run the engine under a heartbeat, store how it ended."""

from __future__ import annotations

import logging
import secrets
import shutil
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, ConsentToWarningsMissing, EngineError, LeaseLost, ValidationFailed
from migrations_app.engine.portal_disk import portal_disk_explained
from migrations_app.engine.spec import MigrationOption
from migrations_app.following import AT_WORK, is_at_work
from migrations_app.lifecycle import StaleTransition, transition
from migrations_app.models import EventKind, Migration, MigrationEvent, OnlinePhase, Run, State, Substate
from migrations_app.services.checks import conduct_checks
from migrations_app.services.clean_up import cleaned_up
from migrations_app.services.clean_up_again import conduct_clean_ups
from migrations_app.services.clearing import end_sessions
from migrations_app.services.consent import wait_for_acceptance, waits_at_warnings
from migrations_app.services.endings import Ending, write_ending
from migrations_app.services.engines import CleanUp, Engine, Engines, OnlineEngine, Outcome, run_engine, work_dir
from migrations_app.services.heartbeat import Heartbeat
from migrations_app.services.lease import LEASE_SECONDS, Lease, claim, fenced, release
from migrations_app.services.patience import DATABASE_AWAY, patiently
from migrations_app.services.runs import is_asked_for, ring
from migrations_app.services.spec import is_validated
from migrations_app.worker.draining import is_draining

logger = logging.getLogger(__name__)

ABRUPT_ENDS_IN_A_ROW = 25


@dataclass(frozen=True)
class Pause:
    """Nothing needs a process now, and it is stored what will: a person, or a time to look again."""

    said: str


WAITING = Pause(State.WAITING_FOR_USER.value)


def conduct(
    migration_id: UUID,
    *,
    engine: Engine | None = None,
    online: OnlineEngine | None = None,
    clean_up: CleanUp | None = None,
) -> str:
    """Drive the migration to its end, or until the lease is lost; return in a few words what happened.

    Any number of callers may try at any time: the lease lets one of them work. An online migration whose changes are
    applied without us is left alone, until it is time to look again or somebody asks for something.
    """
    engines = Engines(engine, online, clean_up)
    lease = _begin(migration_id)
    if lease is None:
        done = conduct_checks(migration_id) or conduct_clean_ups(migration_id)
        return done or "nothing to do: not due, ended, or driven by another worker"
    control = Control(fence=lease.fence)
    is_in_order = False
    try:
        with Heartbeat(lease, control=control) as heartbeat:
            ending = _run(lease, control, engines=engines)
            if isinstance(ending, Ending):
                ending = cleaned_up(ending, lease, heartbeat, engines=engines)
            said = f"run {lease.fence} stopped; another goes on"
            if isinstance(ending, Ending):
                said = _end(lease, ending)
            elif ending is not None:
                said = ending.said
        is_in_order = ending is not None or is_draining()
        return said
    finally:
        _release(lease, is_in_order=is_in_order)


def _begin(migration_id: UUID) -> Lease | None:
    """Claim the lease and mark the migration as in progress, together."""
    due = Q(state=State.QUEUED) & (Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=Now()))
    workable = Migration.objects.filter(due | AT_WORK, pk=migration_id)
    if is_draining() or not workable.exists():
        return None
    try:
        with transaction.atomic():
            lease = claim(migration_id)
            if lease is not None:
                _mark_in_progress(lease)
            return lease
    except StaleTransition:
        return None


def _mark_in_progress(lease: Lease) -> None:
    migration = Migration.objects.select_for_update().get(pk=lease.migration_id)
    if is_at_work(migration):
        _take_over(lease)
        return
    canceling = migration.cancel_requested_at is not None
    transition(
        lease.migration_id,
        expect=[State.QUEUED],
        to=State.IN_PROGRESS,
        substate=Substate.CANCELING if canceling else Substate.PREREQUISITES,
        message="A worker began." if migration.started_at is None else "A worker went on.",
        fence=lease.fence,
    )


def _take_over(lease: Lease) -> None:
    """Go on with what was interrupted, or look again at what goes on by itself, which is no news."""
    runs = Run.objects.filter(migration_id=lease.migration_id)
    if runs.filter(look_again_at__isnull=True).exists():
        message = f"A worker took over the interrupted work (run {lease.fence})."
        MigrationEvent.objects.create(migration_id=lease.migration_id, kind=EventKind.NOTE, message=message)
    runs.update(look_again_at=None)


def _run(lease: Lease, control: Control, *, engines: Engines) -> Ending | Pause | None:
    """Return how the engine ended; None when the migration is another worker's now, or will be."""
    if lease.attempt > ABRUPT_ENDS_IN_A_ROW:
        return Ending(
            State.FAILED,
            message="Failed: its worker ended abruptly again and again.",
            error=f"The worker of this migration ended abruptly {ABRUPT_ENDS_IN_A_ROW} times without getting further.",
            hint="Look whether this machine runs out of memory (dmesg), then resume.",
        )
    try:
        with portal_disk_explained():
            result = _outcome_with_consent(lease, control, engines=engines)
        if result is None:
            return WAITING
        outcome, look_again_seconds = result
        if look_again_seconds is not None:
            return _rest(lease, seconds=look_again_seconds)
        return patiently(lambda _: _ending_of(outcome, lease), connection=connection, seconds=LEASE_SECONDS)
    except LeaseLost as error:
        logger.warning("run %s of migration %s stopped: %s", lease.fence, lease.migration_id, error)
        return None
    except DATABASE_AWAY:
        logger.exception("run %s of migration %s lost the portal's database", lease.fence, lease.migration_id)
        return None
    except Canceled:
        end_sessions(lease.migration_id, fence=lease.fence)
        return Ending(State.CANCELED, message="Canceled.")
    except ValidationFailed as error:
        return _failure(error, state=State.VALIDATION_FAILED)
    except EngineError as error:
        return _failure(error, state=State.FAILED)
    except Exception:
        reference = secrets.token_hex(4)
        logger.exception("defect %s in run %s of migration %s", reference, lease.fence, lease.migration_id)
        return _defect(reference)


def _outcome_with_consent(lease: Lease, control: Control, *, engines: Engines) -> tuple[Outcome, float | None] | None:
    """Return the engine's outcome, and when to look again; None when the migration waits for a person now."""
    migration = Migration.objects.get(pk=lease.migration_id)
    is_canceling = migration.cancel_requested_at is not None
    may_wait = waits_at_warnings(migration) and is_validated(migration) and not _is_followed(migration)
    if not is_canceling and may_wait and wait_for_acceptance(lease):
        return None
    try:
        return _engine_outcome(lease, control, engines=engines)
    except ConsentToWarningsMissing:
        if wait_for_acceptance(lease):
            return None
        return _engine_outcome(lease, control, engines=engines)  # each was accepted while the validation ran


def _is_followed(migration: Migration) -> bool:
    """What follows the source's changes goes on, though somebody takes back that a warning was accepted."""
    return migration.databases.exclude(phase=OnlinePhase.NONE).exists()


def _engine_outcome(lease: Lease, control: Control, *, engines: Engines) -> tuple[Outcome, float | None]:
    if Migration.objects.filter(pk=lease.migration_id, cancel_requested_at__isnull=False).exists():
        control.stop(Canceled("The migration was canceled."))
    try:
        return run_engine(lease, control, engines=engines)
    except Exception:
        control.check()  # what an interrupted statement led to is not why the work ended
        raise
    finally:
        if not connection.in_atomic_block:
            connection.close()  # it was idle while the engine worked, and may be dead by now


def _rest(lease: Lease, *, seconds: float) -> Pause:
    """Store when to look again; a person who asks for something meanwhile wakes a worker."""

    def work(_: bool) -> None:
        with fenced(lease.migration_id, fence=lease.fence):
            due = Now() + timedelta(seconds=seconds)
            Run.objects.filter(migration_id=lease.migration_id).update(look_again_at=due)

    patiently(work, connection=connection, seconds=LEASE_SECONDS)
    return Pause(f"follows by itself; looks again in {seconds:.0f} s")


def _ending_of(outcome: Outcome, lease: Lease) -> Ending:
    migration = Migration.objects.get(pk=lease.migration_id)
    failed = list(migration.databases.filter(state=State.FAILED).order_by("source_name"))
    if (ending := _went_back(migration)) is not None and not failed:
        return ending
    if outcome.succeeded and not failed:
        words = "Validated." if migration.option == MigrationOption.VALIDATE else "Every database arrived."
        return Ending(State.SUCCEEDED, message=f"Succeeded. {words}")
    names = ", ".join(database.source_name for database in failed)
    total = migration.databases.count()
    if len(failed) == 1:
        error, hint, server_message = failed[0].error, failed[0].error_hint, failed[0].error_server_message
        prefix = f"{names}: " if total > 1 else ""
        return Ending(State.FAILED, "Failed.", error=prefix + error, hint=hint, server_message=server_message)
    return Ending(
        State.FAILED,
        message="Failed.",
        error=f"{len(failed)} of {total} databases could not be moved: {names}.",
        hint="Each database says below what happened and what to do. Resume moves what is left.",
    )


def _went_back(migration: Migration) -> Ending | None:
    """The end of a migration whose databases are in use on the source again; None where there is none."""
    back = list(migration.databases.filter(phase=OnlinePhase.GONE_BACK).order_by("source_name"))
    if not back:
        return None
    names = ", ".join(database.source_name for database in back)
    if len(back) == migration.databases.count():
        return Ending(State.CANCELED, message=f"Went back to the source: {names}.")
    return Ending(State.SUCCEEDED, message=f"Succeeded, but for what went back to the source: {names}.")


def _failure(error: EngineError, *, state: State) -> Ending:
    label = state.label
    return Ending(state, f"{label}.", error=error.message, hint=error.hint, server_message=error.server_message)


def _defect(reference: str) -> Ending:
    return Ending(
        State.FAILED,
        message=f"Failed: a defect of the portal (reference {reference}).",
        error=f"The portal itself failed (reference {reference}); neither server is the cause.",
        hint="Report it with the log lines around that reference. Resume goes on where the work stopped.",
    )


def _end(lease: Lease, ending: Ending) -> str:
    """Store the ending, outliving a restart of the portal's database."""

    def work(_: bool) -> None:
        expect = [State.IN_PROGRESS, State.WAITING_FOR_USER]
        write_ending(lease.migration_id, ending, expect=expect, fence=lease.fence)

    try:
        patiently(work, connection=connection, seconds=LEASE_SECONDS)
    except StaleTransition as error:
        logger.warning("the ending %s came too late: %s", ending.state, error)
        return f"run {lease.fence} ended too late"
    if ending.state in (State.SUCCEEDED, State.CANCELED):
        shutil.rmtree(work_dir(lease.migration_id), ignore_errors=True)
    return ending.state.value


def _release(lease: Lease, *, is_in_order: bool) -> None:
    try:
        patiently(lambda _: release(lease, is_in_order=is_in_order), connection=connection, seconds=LEASE_SECONDS)
    except DatabaseError:
        logger.exception("the lease of migration %s will expire by itself", lease.migration_id)
        return
    if not is_draining() and Migration.objects.filter(is_asked_for() & AT_WORK, pk=lease.migration_id).exists():
        ring(lease.migration_id)  # it was asked for between the engine's last look and the release
