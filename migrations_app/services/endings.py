"""How a run ends: the state of the migration and of its databases, what is on the target, and the passwords."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from migrations_app.engine.events import Step
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.spec import MigrationOption
from migrations_app.lifecycle import transition
from migrations_app.models import (
    CutoverAttempt,
    Migration,
    MigrationDatabase,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    State,
    StepState,
)
from migrations_app.models.states import AFTER_CUTOVER
from migrations_app.services.credentials import forget_password
from migrations_app.services.recording.ledger import clean

LIVING = (State.QUEUED, State.IN_PROGRESS, State.WAITING_FOR_USER)


@dataclass(frozen=True)
class Ending:
    """The end of a migration's run, as people will read it."""

    state: State
    message: str
    error: str = ""
    hint: str = ""
    server_message: str = ""

    def __post_init__(self) -> None:
        """Drop what PostgreSQL cannot keep: the texts come from servers."""
        for name in ("message", "error", "hint", "server_message"):
            object.__setattr__(self, name, clean(getattr(self, name)))


def write_ending(
    migration_id: UUID,
    ending: Ending,
    *,
    expect: Collection[State],
    fence: int | None = None,
    actor: User | None = None,
    address: str | None = None,
) -> None:
    """Store the end in one transaction. Raises ``StaleTransition`` when the state or the fence is another by now."""
    with transaction.atomic():
        transition(
            migration_id,
            expect=expect,
            to=ending.state,
            message=ending.message,
            fence=fence,
            actor=actor,
            address=address,
            error=ending.error,
            error_hint=ending.hint,
            error_server_message=ending.server_message,
        )
        migration = Migration.objects.select_related("source", "target").get(pk=migration_id)
        for database in migration.databases.all():
            _end_database(database, ending, option=MigrationOption(migration.option))
        _end_replication(migration)
        migration.step_times = _end_steps(migration.step_times, ending.state)
        migration.save(update_fields=["step_times"])
        if migration.forget_passwords:
            forget_password(migration.source)
            forget_password(migration.target)


def what_is_on_target(database: MigrationDatabase) -> str:
    """Say what a database that did not arrive left on the target."""
    if database.step in ("", Step.VALIDATE, Step.ROLES):
        return f"Nothing of this database was written to {database.target_name} on the target."
    tables = f"{database.tables_done} of {database.tables_total} tables have all their rows"
    identifier = '"' + database.target_name.replace('"', '""') + '"'
    indexes = f"{database.indexes_done} of {database.indexes_total} indexes are built"
    return (
        f"The database {database.target_name} on the target is incomplete: {tables}, {indexes}. "
        f"Its schema _migration_portal marks it as unfinished. Remove it with: DROP DATABASE {identifier};"
    )


def _end_replication(migration: Migration) -> None:
    """Nothing is followed after the end, and nobody waits for what was asked before it."""
    Replication.objects.filter(database__migration=migration, ended_at__isnull=True).update(ended_at=Now())
    attempts = CutoverAttempt.objects.filter(database__migration=migration, ended_at__isnull=True)
    attempts.update(ended_at=Now(), result=CutoverResult.UNDONE.value, message="The migration ended meanwhile.")
    asked = ReplicationRequest.objects.filter(database__migration=migration, ended_at__isnull=True)
    asked.update(ended_at=Now(), succeeded=False, message="The migration ended before it was done.")


def _end_database(database: MigrationDatabase, ending: Ending, *, option: MigrationOption) -> None:
    changes: dict[str, Any] = {"step_times": _end_steps(database.step_times, ending.state)}
    if database.state in LIVING:
        changes |= _unfinished(database, ending, option=option)
    if database.phase not in AFTER_CUTOVER:
        changes["phase"] = OnlinePhase.NONE
    if not database.on_target and changes.get("state", database.state) in (State.CANCELED, State.FAILED):
        changes["on_target"] = what_is_on_target(database)
    MigrationDatabase.objects.filter(pk=database.pk).update(**changes)


def _unfinished(database: MigrationDatabase, ending: Ending, *, option: MigrationOption) -> dict[str, Any]:
    """A database that waited for its turn stays queued after a failure, for a resume."""
    if database.phase in AFTER_CUTOVER:
        return {"state": State.SUCCEEDED, "ended_at": Now()}  # in use on the target, whatever became of the others
    if ending.state == State.FAILED and database.state != State.QUEUED:
        error = {"error": ending.error, "error_hint": ending.hint, "error_server_message": ending.server_message}
        return {"state": State.FAILED, "ended_at": Now()} | error
    if ending.state in (State.CANCELED, State.VALIDATION_FAILED):
        return {"state": ending.state, "ended_at": Now()}
    if ending.state == State.SUCCEEDED and option is MigrationOption.VALIDATE:
        return {"state": State.SUCCEEDED, "ended_at": Now(), "on_target": F("on_target")}
    return {}


def _end_steps(times: dict[str, Any], state: State) -> dict[str, Any]:
    """No step runs after the end; one that was not needed for a success was skipped."""
    ended = dict(times)
    stopped = StepState.SKIPPED if state == State.CANCELED else StepState.FAILED
    for name, step in times.items():
        if step.get("state") == StepState.RUNNING:
            reached = StepState.DONE if state == State.SUCCEEDED else stopped
            ended[name] = step | {"state": reached.value, "ended_at": timezone.now().isoformat()}
    if state == State.SUCCEEDED:
        skipped = {"state": StepState.SKIPPED.value, "started_at": None, "ended_at": None}
        ended |= {step.value: skipped for step in Step if step.value not in times}
    return ended
