"""What a person asks of a migration: start, cancel, resume. Each writes the rows first, then rings the doorbell."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from migrations_app.engine.errors import EngineError
from migrations_app.engine.spec import MigrationMode, MigrationOption
from migrations_app.following import AT_WORK, is_any_cut_over, is_following
from migrations_app.lifecycle import transition
from migrations_app.models import (
    CleanUp,
    EventKind,
    FindingCheck,
    Migration,
    MigrationEndpoint,
    MigrationEvent,
    ReplicationRequest,
    Run,
    State,
    Substate,
)
from migrations_app.services.credentials import seal_password
from migrations_app.services.doorbell import is_waiting, ring_task, withdraw
from migrations_app.services.endings import Ending, write_ending
from migrations_app.services.offered_databases import consent_missing, stored_offer

CONDUCT_TASK = "migrations_app.tasks.conduct_task"
RESUMABLE = (State.FAILED, State.VALIDATION_FAILED)
IDLE = (State.QUEUED, State.WAITING_FOR_USER, State.PAUSED)
CANCELED_BEFORE_WORK = Ending(State.CANCELED, message="Canceled before any work was done.")


class ActionRefused(EngineError):
    """The migration is not in a state in which this can be done; the message says why, the hint what to do."""


def problems_before_start(migration: Migration) -> list[str]:
    """Return what is missing before this draft can be started, in words; empty when it is complete."""
    problems = []
    for side, row in (("source", migration.source), ("target", migration.target)):
        if not row.host or not row.username:
            problems.append(f"The {side} server is not chosen yet.")
        elif row.tested_at is None:
            problems.append(f"The connection to the {side} server has not been tested.")
    return [*problems, *_problems_of_databases(migration)]


def moves_online(migration: Migration) -> bool:
    """Tell whether this migrates online; one that only validates for it follows nothing."""
    return migration.mode == MigrationMode.ONLINE and migration.option != MigrationOption.VALIDATE


def _problems_of_databases(migration: Migration) -> list[str]:
    chosen = list(migration.databases.all())
    if not chosen:
        return ["No database is chosen yet."]
    if stored_offer(migration) is None:
        return ["A server was changed or tested after its databases were read: choose the databases again."]
    names = ", ".join(row.target_name for row in consent_missing(migration, chosen=chosen))
    return [f"On the target {names} would be overwritten, and nobody has agreed to it yet."] if names else []


def migration_start(migration_id: UUID, *, actor: User | None = None, address: str | None = None) -> None:
    """Queue a draft; it starts now, or at ``scheduled_at``. Raises ``ActionRefused``."""
    with transaction.atomic():
        migration = _locked(migration_id)
        if migration.state != State.DRAFT:
            raise _refused(migration, "started", "Only a draft can be started.")
        if problems := problems_before_start(migration):
            raise ActionRefused(f"{migration.name} cannot be started yet.", hint=" ".join(problems))
        waits = migration.scheduled_at is not None and migration.scheduled_at > timezone.now()
        transition(
            migration_id,
            expect=[State.DRAFT],
            to=State.QUEUED,
            substate=Substate.WAITING_FOR_WINDOW if waits else Substate.NONE,
            message="Queued; waits for its start time." if waits else "Queued.",
            actor=actor,
            address=address,
        )
        if not waits:
            ring(migration_id)


def migration_cancel(migration_id: UUID, *, actor: User | None = None, address: str | None = None) -> None:
    """Cancel at once where nobody works on it, else ask the conductor to. Raises ``ActionRefused``.

    A second request changes nothing.
    """
    with transaction.atomic():
        is_driven = lock_run(migration_id)
        migration = _locked(migration_id)
        if migration.state in IDLE and not is_driven and migration.started_at is None:
            write_ending(migration_id, CANCELED_BEFORE_WORK, expect=IDLE, actor=actor, address=address)
            _withdraw_doorbell(migration_id)
            return
        if not migration.is_active:
            hint = "Discard it instead." if migration.state == State.DRAFT else "There is nothing left to cancel."
            raise _refused(migration, "canceled", hint)
        if is_any_cut_over(migration.databases.all()):
            raise _refused(migration, "canceled", "A database of it is in use on the target: go back, or finish.")
        if migration.state in IDLE and not (is_driven and is_following(migration)):
            _go_on_to_cancel(migration)
        if migration.cancel_requested_at is None:
            _request_cancel(migration_id, actor=actor, address=address)
        if not is_driven:
            ring(migration_id)


def migration_resume(
    migration_id: UUID,
    *,
    actor: User | None = None,
    address: str | None = None,
    source_password: str = "",
    target_password: str = "",
) -> None:
    """Queue a failed migration again; what arrived stays. Raises ``ActionRefused``.

    Passwords are needed where they were forgotten, and replace stored ones where given.
    """
    with transaction.atomic():
        lock_run(migration_id)
        migration = _locked(migration_id)
        if migration.state not in RESUMABLE:
            raise _refused(migration, "resumed", "Only a failed migration can be resumed.")
        if migration.clean_ups.filter(ended_at__isnull=True).exists():
            raise _refused(migration, "resumed", "Both servers are being cleaned up: resume when that is done.")
        for row, password in ((migration.source, source_password), (migration.target, target_password)):
            _replace_password(row, password)
        unfinished = migration.databases.exclude(state=State.SUCCEEDED)
        unfinished.update(state=State.QUEUED, error="", error_hint="", error_server_message="", ended_at=None)
        transition(migration_id, expect=RESUMABLE, to=State.QUEUED, message="Resumed.", actor=actor, address=address)
        Migration.objects.filter(pk=migration_id).update(cancel_requested_at=None, scheduled_at=None)
        Run.objects.filter(migration_id=migration_id).update(attempts=0)
        ring(migration_id)


def passwords_forgotten(migration: Migration) -> list[str]:
    """Return which sides (``source``, ``target``) had their password erased when the migration ended."""
    sides = (("source", migration.source), ("target", migration.target))
    return [side for side, row in sides if migration.forget_passwords and not row.sealed_password]


def ring(migration_id: UUID) -> bool:
    """Queue the task that drives this migration, unless one is waiting already; True if it was queued.

    At most one place in the queue belongs to a migration: a task that was taken and led to nothing is withdrawn.
    """
    with transaction.atomic():
        Run.objects.get_or_create(migration_id=migration_id)
        run = Run.objects.select_for_update(no_key=True).get(migration_id=migration_id)
        if is_waiting(run.doorbell_id):
            return False
        withdraw(run.doorbell_id)
        queued_id = ring_task(CONDUCT_TASK, str(migration_id))
        Run.objects.filter(pk=run.pk).update(rung_at=Now(), doorbell_id=queued_id)
    return True


def migrations_to_ring(*, not_rung_for: timedelta) -> list[UUID]:
    """Return the migrations with work that nobody drives.

    They are queued and due, in progress, followed, have findings to check, or are to be cleaned up again. Where native
    replication goes on by itself, there is work when it is time to look again, or when somebody asked for something.
    """
    due = Q(state=State.QUEUED) & (Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=Now()))
    free = Q(run__lease_until__isnull=True) | Q(run__lease_until__lt=Now())
    quiet = Q(run__rung_at__isnull=True) | Q(run__rung_at__lt=Now() - not_rung_for)
    to_check = Q(Exists(FindingCheck.objects.filter(migration=OuterRef("pk"), ended_at__isnull=True)))
    to_check |= Q(Exists(CleanUp.objects.filter(migration=OuterRef("pk"), ended_at__isnull=True)))
    at_work = AT_WORK & (_is_time_to_look() | is_asked_for())
    found = Migration.objects.filter((due | at_work | to_check) & free & quiet)
    return list(found.order_by("created_at").values_list("pk", flat=True))


def is_asked_for() -> Q:
    """Return the condition under which a person waits for a worker to hear a request, or a cancel."""
    requests = ReplicationRequest.objects.filter(database__migration=OuterRef("pk"), ended_at__isnull=True)
    return Q(Exists(requests)) | Q(cancel_requested_at__isnull=False)


def _is_time_to_look() -> Q:
    return Q(run__look_again_at__isnull=True) | Q(run__look_again_at__lte=Now())


def _locked(migration_id: UUID) -> Migration:
    found = Migration.objects.select_for_update(of=("self",)).select_related("source", "target")
    return found.get(pk=migration_id)


def lock_run(migration_id: UUID) -> bool:
    """Lock the run before the migration, as a claim does; tell whether somebody drives it."""
    alive = Case(When(lease_until__gt=Now(), then=True), default=False, output_field=BooleanField())
    runs = Run.objects.select_for_update(no_key=True).filter(migration_id=migration_id)
    return bool(runs.annotate(alive=alive).values_list("alive", flat=True).first())


def _go_on_to_cancel(migration: Migration) -> None:
    """What was begun must be ended by a conductor, which clears up on the servers."""
    if migration.state != State.QUEUED:
        transition(migration.pk, expect=IDLE, to=State.QUEUED, message="Queued, to be canceled.")
    Migration.objects.filter(pk=migration.pk).update(scheduled_at=None)


def _request_cancel(migration_id: UUID, *, actor: User | None, address: str | None) -> None:
    Migration.objects.filter(pk=migration_id).update(
        cancel_requested_at=Coalesce(F("cancel_requested_at"), Now()),
        substate=Value(Substate.CANCELING.value),
        revision=F("revision") + 1,
    )
    MigrationEvent.objects.create(
        migration_id=migration_id, kind=EventKind.ACTION, message="Cancel requested.", actor=actor, address=address
    )


def _replace_password(row: MigrationEndpoint, password: str) -> None:
    if password:
        seal_password(row, password)
        row.save(update_fields=["sealed_password"])


def _withdraw_doorbell(migration_id: UUID) -> None:
    withdraw(Run.objects.filter(migration_id=migration_id).values_list("doorbell_id", flat=True).first())


def _refused(migration: Migration, verb: str, hint: str) -> ActionRefused:
    state = State(migration.state).label.lower()
    return ActionRefused(f"{migration.name} cannot be {verb}: it is {state}.", hint=hint)
