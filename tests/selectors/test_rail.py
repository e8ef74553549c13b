"""The rail tells at which step a migration is, over all of its databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from migrations_app.engine.events import Step
from migrations_app.engine.spec import MigrationOption, RolePolicy, VerificationLevel
from migrations_app.models import Migration, MigrationDatabase, State, StepState
from migrations_app.selectors.rail import current_step, failed_step, rail_of
from tests.portal.sample_rows import times

START = timezone.now() - timedelta(minutes=10)


def states(migration: Migration, *databases: MigrationDatabase) -> dict[str, str]:
    """State of each step by name."""
    return {step.step.value: step.state.value for step in rail_of(migration, databases)}


def test_before_the_start_everything_is_to_do() -> None:
    assert set(states(Migration()).values()) == {"todo"}


def test_a_validation_has_one_step() -> None:
    found = states(Migration(option=MigrationOption.VALIDATE))
    assert found.pop("validate") == "todo"
    assert set(found.values()) == {"skipped"}


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"option": MigrationOption.MIGRATE}, "validate"),
        ({"roles": RolePolicy.SKIP}, "roles"),
        ({"verification": VerificationLevel.NONE}, "verify"),
    ],
)
def test_what_was_not_chosen_is_skipped(fields: dict[str, str], step: str) -> None:
    assert states(Migration(**fields))[step] == "skipped"


def test_a_step_runs_until_the_last_database_has_done_it() -> None:
    migration = Migration(state=State.IN_PROGRESS)
    fast = MigrationDatabase(step_times=times(Step.VERIFY, start=START))
    slow = MigrationDatabase(step_times=times(Step.COPY, start=START))
    found = states(migration, fast, slow)
    assert (found["schema"], found["copy"], found["indexes"]) == ("done", "running", "running")
    current = current_step(rail_of(migration, [fast, slow]))
    assert current is not None
    assert current.step == Step.COPY
    assert current.ended_at is None


def test_a_step_of_the_migration_is_done_without_its_databases() -> None:
    migration = Migration(state=State.IN_PROGRESS, step_times=times(Step.SCHEMA, start=START))
    assert states(migration, MigrationDatabase(), MigrationDatabase())["roles"] == "done"


def test_the_step_that_ran_when_a_migration_failed_is_the_failed_one() -> None:
    ended = START + timedelta(minutes=5)
    migration = Migration(state=State.FAILED, ended_at=ended, step_times=times(Step.COPY, start=START))
    rail = rail_of(migration, [])
    failed = failed_step(rail)
    assert failed is not None
    assert (failed.step, failed.ended_at) == (Step.COPY, ended)
    assert current_step(rail) is None


def test_a_canceled_step_is_stopped_not_failed() -> None:
    migration = Migration(state=State.CANCELED, ended_at=timezone.now(), step_times=times(Step.COPY, start=START))
    step = next(step for step in rail_of(migration, []) if step.step == Step.COPY)
    assert (step.state, step.stopped, step.state_label) == (StepState.SKIPPED, True, "Stopped")


def test_a_step_that_the_conductor_stopped_is_stopped_too() -> None:
    migration = Migration(state=State.CANCELED, step_times=times(Step.COPY, start=START, state=StepState.SKIPPED))
    step = next(step for step in rail_of(migration, []) if step.step == Step.COPY)
    assert (step.stopped, step.state_label, step.elapsed_seconds) == (True, "Stopped", 40)


def test_a_running_step_grows_older() -> None:
    migration = Migration(state=State.IN_PROGRESS, step_times=times(Step.VALIDATE, start=START))
    step = current_step(rail_of(migration, []))
    assert step is not None
    assert step.elapsed_seconds == pytest.approx((timezone.now() - START).total_seconds(), abs=1)
