"""The steps of the rail: ``step_times`` of the migration and of each of its databases."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Value, When

from migrations_app.engine.events import (
    CutoverBegan,
    CutoverEnded,
    CutoverStepFinished,
    CutoverStepStarted,
    Direction,
    Event,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.models import Migration, MigrationDatabase, State, StepState, Substate

StepTimes = dict[str, dict[str, Any]]

SUBSTATES = {
    Step.VALIDATE: Substate.VALIDATING,
    Step.ROLES: Substate.PREREQUISITES,
    Step.SCHEMA: Substate.MIGRATING_DATA,
    Step.COPY: Substate.MIGRATING_DATA,
    Step.INDEXES: Substate.MIGRATING_DATA,
    Step.CONSTRAINTS: Substate.MIGRATING_DATA,
    Step.CATCH_UP: Substate.MIGRATING_DATA,
    Step.CUTOVER: Substate.COMPLETING,
    Step.VERIFY: Substate.COMPLETING,
}


class StepLedger:
    """Keeps what an earlier run stored: a step that goes on has the time at which it first began."""

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        rows = MigrationDatabase.objects.filter(migration_id=migration_id)
        self._own: StepTimes = Migration.objects.values_list("step_times", flat=True).get(pk=migration_id)
        self._databases: dict[UUID, StepTimes] = {row.pk: row.step_times for row in rows}
        self._current: dict[UUID, str] = {row.pk: row.step for row in rows}
        self._changed: set[UUID] = set()
        self._substate: Substate | None = None
        self._is_new = False

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the begin or the end of a step."""
        match event:
            case StepStarted(step=step, database_id=database_id):
                self._begin(self._times(database_id), step, at=at)
                self._substate = SUBSTATES[step]
                if database_id:
                    self._current[UUID(database_id)] = step.value
            case StepFinished(step=step, database_id=database_id):
                self._finish(self._times(database_id), step, at=at)
            case CutoverBegan() | CutoverStepStarted() | CutoverStepFinished() | CutoverEnded():
                self._cut_over(event, at=at)
                return
            case _:
                return
        self._is_new = True
        if database_id:
            self._changed.add(UUID(database_id))
            self._sum_up(step)

    def _cut_over(
        self, event: CutoverBegan | CutoverStepStarted | CutoverStepFinished | CutoverEnded, *, at: datetime
    ) -> None:
        """A cutover is a step of the rail, and so is its comparison; a rehearsal and the way back are none."""
        pk, times = UUID(event.database_id), self._databases[UUID(event.database_id)]
        match event:
            case CutoverBegan(direction=Direction.FORWARD, is_rehearsal=False):
                self._begin(times, Step.CUTOVER, at=at)
                self._current[pk] = Step.CUTOVER.value
            case _ if times.get(Step.CUTOVER.value, {}).get("state") != StepState.RUNNING:
                return
            case CutoverStepStarted(step=CutoverStep.VERIFY):
                self._begin(times, Step.VERIFY, at=at)
            case CutoverStepFinished(step=CutoverStep.VERIFY):
                self._finish(times, Step.VERIFY, at=at)
            case CutoverEnded(result=CutoverResult.DONE):
                self._finish(times, Step.CUTOVER, at=at)
            case CutoverEnded(result=CutoverResult.UNDONE):
                times.pop(Step.CUTOVER.value, None)
                times.pop(Step.VERIFY.value, None)
                self._current[pk] = Step.CATCH_UP.value
            case _:
                return
        self._is_new = True
        self._changed.add(pk)
        for step in (Step.CUTOVER, Step.VERIFY):
            self._sum_up(step)

    def write(self) -> bool:
        """Store changed steps; a migration that is being canceled, or waits for a person, keeps saying so."""
        if not self._is_new:
            return False
        for pk in self._changed:
            MigrationDatabase.objects.filter(pk=pk).update(step=self._current[pk], step_times=self._databases[pk])
        substate = F("substate") if self._substate is None else Value(self._substate.value)
        may_change = When(cancel_requested_at__isnull=True, state=State.IN_PROGRESS, then=substate)
        Migration.objects.filter(pk=self.migration_id).update(
            step_times=self._own, substate=Case(may_change, default=F("substate"))
        )
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changed.clear()
        self._is_new = False

    def _times(self, database_id: str) -> StepTimes:
        return self._databases[UUID(database_id)] if database_id else self._own

    @staticmethod
    def _begin(times: StepTimes, step: Step, *, at: datetime) -> None:
        started = times.get(step.value, {}).get("started_at") or at.isoformat()
        times[step.value] = {"state": StepState.RUNNING.value, "started_at": started, "ended_at": None}

    @staticmethod
    def _finish(times: StepTimes, step: Step, *, at: datetime) -> None:
        if times.get(step.value, {}).get("state") == StepState.DONE:
            return  # told again by a run that goes on
        started = times.get(step.value, {}).get("started_at") or at.isoformat()
        times[step.value] = {"state": StepState.DONE.value, "started_at": started, "ended_at": at.isoformat()}

    def _sum_up(self, step: Step) -> None:
        """A step of the migration runs from its begin in the first database to its end in the last."""
        times = [found.get(step.value) for found in self._databases.values()]
        begun = [time for time in times if time and time.get("started_at")]
        if not begun:
            self._own.pop(step.value, None)  # what was begun was undone
            return
        done = all(time and time["state"] in (StepState.DONE, StepState.SKIPPED) for time in times)
        self._own[step.value] = {
            "state": (StepState.DONE if done else StepState.RUNNING).value,
            "started_at": min(time["started_at"] for time in begun),
            "ended_at": max(time["ended_at"] or "" for time in begun) or None if done else None,
        }
