"""The step rail: Validate → Roles → Schema → Copy → Indexes → Constraints (→ Catch up → Cut over) → Verify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from migrations_app.engine.events import Step
from migrations_app.engine.spec import MigrationMode, MigrationOption, RolePolicy, VerificationLevel
from migrations_app.models import Migration, MigrationDatabase, State, StepState

LABELS: dict[Step, str] = {
    Step.VALIDATE: "Validate",
    Step.ROLES: "Roles",
    Step.SCHEMA: "Schema",
    Step.COPY: "Copy",
    Step.INDEXES: "Indexes",
    Step.CONSTRAINTS: "Constraints",
    Step.CATCH_UP: "Catch up",
    Step.CUTOVER: "Cut over",
    Step.VERIFY: "Verify",
}
DOING: dict[Step, str] = {
    Step.VALIDATE: "Validating",
    Step.ROLES: "Copying roles",
    Step.SCHEMA: "Creating the schema",
    Step.COPY: "Copying",
    Step.INDEXES: "Building indexes",
    Step.CONSTRAINTS: "Adding constraints",
    Step.CATCH_UP: "Catching up",
    Step.CUTOVER: "Cutting over",
    Step.VERIFY: "Verifying",
}

ONLINE_STEPS = (Step.CATCH_UP, Step.CUTOVER)


@dataclass(frozen=True)
class RailStep:
    """One step of the rail. ``elapsed_seconds`` grows while it runs; ``stopped``: a person canceled it half-way."""

    step: Step
    label: str
    state: StepState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stopped: bool = False

    @property
    def elapsed_seconds(self) -> float | None:
        """How long the step took, or has taken so far."""
        if self.started_at is None:
            return None
        if self.ended_at is None and self.state != StepState.RUNNING:
            return None
        return max(((self.ended_at or timezone.now()) - self.started_at).total_seconds(), 0.0)

    @property
    def state_label(self) -> str:
        """The state as a person reads it."""
        return "Stopped" if self.stopped else str(self.state.label)

    @property
    def doing(self) -> str:
        """What the step does, in words."""
        return DOING[self.step]


def rail_of(migration: Migration, databases: Sequence[MigrationDatabase]) -> list[RailStep]:
    """Merge the step times of the migration and of its databases into one rail."""
    times = [migration.step_times, *(database.step_times for database in databases)]
    skipped = _skipped_steps(migration)
    rail = [
        _merged(step, times, expected=max(len(databases), 1), skipped=step in skipped) for step in steps_of(migration)
    ]
    return [_settled(step, migration) for step in rail]


def steps_of(migration: Migration) -> tuple[Step, ...]:
    """Return the steps that a migration of this mode has, in their order."""
    return tuple(step for step in Step if migration.mode == MigrationMode.ONLINE or step not in ONLINE_STEPS)


def current_step(rail: Iterable[RailStep]) -> RailStep | None:
    """Return the step that runs, the earliest when several do."""
    return next((step for step in rail if step.state == StepState.RUNNING), None)


def failed_step(rail: Iterable[RailStep]) -> RailStep | None:
    """Return the step at which the migration failed."""
    return next((step for step in rail if step.state == StepState.FAILED), None)


def _skipped_steps(migration: Migration) -> set[Step]:
    if migration.option == MigrationOption.VALIDATE:
        return set(Step) - {Step.VALIDATE}
    skipped = set()
    if migration.option == MigrationOption.MIGRATE:
        skipped.add(Step.VALIDATE)
    if migration.roles == RolePolicy.SKIP:
        skipped.add(Step.ROLES)
    if migration.verification == VerificationLevel.NONE:
        skipped.add(Step.VERIFY)
    return skipped


def _merged(step: Step, times: Sequence[Mapping[str, Any]], *, expected: int, skipped: bool) -> RailStep:
    """One step from the entries of the whole migration (the first mapping) and of each database (the others)."""
    entries = [entry for mapping in times if (entry := mapping.get(step.value))]
    if not entries:
        return RailStep(step=step, label=LABELS[step], state=StepState.SKIPPED if skipped else StepState.TODO)
    of_databases = sum(1 for mapping in times[1:] if mapping.get(step.value))
    complete = bool(times[0].get(step.value)) or of_databases >= expected
    state = _merged_state([StepState(entry.get("state", StepState.TODO)) for entry in entries], complete=complete)
    ended = [_moment(entry.get("ended_at")) for entry in entries]
    return RailStep(
        step=step,
        label=LABELS[step],
        state=state,
        started_at=min((at for entry in entries if (at := _moment(entry.get("started_at")))), default=None),
        ended_at=None if state == StepState.RUNNING else max((at for at in ended if at), default=None),
    )


def _merged_state(states: Sequence[StepState], *, complete: bool) -> StepState:
    if StepState.RUNNING in states:
        return StepState.RUNNING
    if StepState.FAILED in states:
        return StepState.FAILED
    if StepState.DONE in states:
        return StepState.DONE if complete and StepState.TODO not in states else StepState.RUNNING
    return states[0]


def _settled(step: RailStep, migration: Migration) -> RailStep:
    """A migration that ended has no running step, whatever was last written about it."""
    if migration.state == State.CANCELED and step.state == StepState.SKIPPED and step.started_at:
        return replace(step, stopped=True)
    if not migration.is_terminal or step.state != StepState.RUNNING:
        return step
    ended_at = step.ended_at or migration.ended_at
    if migration.state == State.SUCCEEDED:
        return replace(step, state=StepState.DONE, ended_at=ended_at)
    if migration.state == State.CANCELED:
        return replace(step, state=StepState.SKIPPED, ended_at=ended_at, stopped=True)
    return replace(step, state=StepState.FAILED, ended_at=ended_at)


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None
