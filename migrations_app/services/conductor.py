"""Drive one migration: claim its lease, run the engine under a heartbeat, store how it ended."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, ConsentToWarningsMissing, EngineError, LeaseLost, ValidationFailed
from migrations_app.engine.portal_disk import portal_disk_explained
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.spec import DatabaseSpec, MigrationOption, MigrationSpec
from migrations_app.lifecycle import StaleTransition, transition
from migrations_app.models import EventKind, Migration, MigrationEvent, State, Substate
from migrations_app.services.checks import conduct_checks
from migrations_app.services.clearing import end_sessions
from migrations_app.services.consent import wait_for_acceptance, waits_at_warnings
from migrations_app.services.endings import Ending, write_ending
from migrations_app.services.heartbeat import Heartbeat
from migrations_app.services.lease import LEASE_SECONDS, Lease, claim, release
from migrations_app.services.part_queue import DatabasePartQueue
from migrations_app.services.patience import DATABASE_AWAY, patiently
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.spec import is_validated, spec_for
from migrations_app.worker.draining import is_draining

logger = logging.getLogger(__name__)

ABRUPT_ENDS_IN_A_ROW = 25
WAITING = Ending(State.WAITING_FOR_USER, message="Waits for a person.")  # stored already, by who let it wait


class Outcome(Protocol):
    """What the engine returns; how each database ended was reported before."""

    @property
    def succeeded(self) -> bool:
        """True when every database arrived."""


class Engine(Protocol):
    """``engine.offline.migrate``, or what stands in for it in a test."""

    def __call__(
        self,
        spec: MigrationSpec,
        *,
        reporter: Reporter,
        control: Control,
        queue_for: Callable[[DatabaseSpec], PartQueue],
        work_dir: Path,
    ) -> Outcome:
        """Move the databases of ``spec``."""


def conduct(migration_id: UUID, *, engine: Engine | None = None) -> str:
    """Drive the migration to its end, or until the lease is lost; return in a few words what happened.

    Any number of callers may try at any time: the lease lets one of them work.
    """
    lease = _begin(migration_id)
    if lease is None:
        return conduct_checks(migration_id) or "nothing to do: not due, ended, or driven by another worker"
    control = Control(fence=lease.fence)
    is_in_order = False
    try:
        with Heartbeat(lease, control=control):
            ending = _run(lease, control, engine=engine)
            said = ending.state.value if ending else f"run {lease.fence} stopped; another goes on"
            if ending is not None and ending.state is not State.WAITING_FOR_USER:
                said = _end(lease, ending)
        is_in_order = ending is not None or is_draining()
        return said
    finally:
        _release(lease, is_in_order=is_in_order)


def _begin(migration_id: UUID) -> Lease | None:
    """Claim the lease and mark the migration as in progress, together."""
    due = Q(state=State.QUEUED) & (Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=Now()))
    workable = Migration.objects.filter(due | Q(state=State.IN_PROGRESS), pk=migration_id)
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
    if migration.state == State.IN_PROGRESS:
        message = f"A worker took over the interrupted work (run {lease.fence})."
        MigrationEvent.objects.create(migration=migration, kind=EventKind.NOTE, message=message)
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


def _run(lease: Lease, control: Control, *, engine: Engine | None) -> Ending | None:
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
            outcome = _outcome_with_consent(lease, control, engine=engine or _offline_engine())
        if outcome is None:
            return WAITING
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


def _outcome_with_consent(lease: Lease, control: Control, *, engine: Engine) -> Outcome | None:
    """Return the engine's outcome; None when the migration waits for a person now."""
    migration = Migration.objects.get(pk=lease.migration_id)
    is_canceling = migration.cancel_requested_at is not None
    if not is_canceling and waits_at_warnings(migration) and is_validated(migration) and wait_for_acceptance(lease):
        return None
    try:
        return _engine_outcome(lease, control, engine=engine)
    except ConsentToWarningsMissing:
        if wait_for_acceptance(lease):
            return None
        return _engine_outcome(lease, control, engine=engine)  # each was accepted while the validation ran


def _engine_outcome(lease: Lease, control: Control, *, engine: Engine) -> Outcome:
    migration = Migration.objects.select_related("source", "target").get(pk=lease.migration_id)
    if migration.cancel_requested_at is not None:
        control.stop(Canceled("The migration was canceled."))
    spec = spec_for(migration)
    queues: list[DatabasePartQueue] = []

    def queue_for(database: DatabaseSpec) -> PartQueue:
        queue = DatabasePartQueue(migration_id=lease.migration_id, database_id=UUID(database.id), fence=lease.fence)
        queues.append(queue)
        return queue

    try:
        with ProgressRecorder(lease.migration_id, control=control) as recorder:
            return engine(
                spec, reporter=recorder, control=control, queue_for=queue_for, work_dir=_work_dir(lease.migration_id)
            )
    except Exception:
        control.check()  # what an interrupted statement led to is not why the work ended
        raise
    finally:
        for queue in queues:
            queue.close()
        if not connection.in_atomic_block:
            connection.close()  # it was idle while the engine worked, and may be dead by now


def _ending_of(outcome: Outcome, lease: Lease) -> Ending:
    migration = Migration.objects.get(pk=lease.migration_id)
    failed = list(migration.databases.filter(state=State.FAILED).order_by("source_name"))
    if outcome.succeeded:
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
        write_ending(lease.migration_id, ending, expect=[State.IN_PROGRESS], fence=lease.fence)

    try:
        patiently(work, connection=connection, seconds=LEASE_SECONDS)
    except StaleTransition as error:
        logger.warning("the ending %s came too late: %s", ending.state, error)
        return f"run {lease.fence} ended too late"
    if ending.state in (State.SUCCEEDED, State.CANCELED):
        shutil.rmtree(_work_dir(lease.migration_id), ignore_errors=True)
    return ending.state.value


def _release(lease: Lease, *, is_in_order: bool) -> None:
    try:
        patiently(lambda _: release(lease, is_in_order=is_in_order), connection=connection, seconds=LEASE_SECONDS)
    except DatabaseError:
        logger.exception("the lease of migration %s will expire by itself", lease.migration_id)


def _work_dir(migration_id: UUID) -> Path:
    folder = Path(settings.VAR_DIR) / "work" / str(migration_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _offline_engine() -> Engine:
    from migrations_app.engine.offline import migrate

    return migrate
