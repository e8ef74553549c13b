"""Where each database of an online migration is, and what that makes of the migration's own state."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from migrations_app.engine.events import (
    CaughtUp,
    CutoverBegan,
    CutoverEnded,
    DatabaseFailed,
    DatabaseFinished,
    DatabaseStarted,
    Direction,
    Event,
    ReplicationStarted,
)
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.lifecycle import transition
from migrations_app.models import (
    TERMINAL_STATES,
    EventKind,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    State,
    Substate,
)
from migrations_app.services.recording.replication import is_new_beginning

UNDER_WAY = (OnlinePhase.CUTTING_OVER, OnlinePhase.GOING_BACK)
AFTER: dict[tuple[OnlinePhase, CutoverResult], OnlinePhase] = {
    (OnlinePhase.CUTTING_OVER, CutoverResult.DONE): OnlinePhase.CUT_OVER,
    (OnlinePhase.CUTTING_OVER, CutoverResult.UNDONE): OnlinePhase.READY,
    (OnlinePhase.GOING_BACK, CutoverResult.DONE): OnlinePhase.GONE_BACK,
    (OnlinePhase.GOING_BACK, CutoverResult.UNDONE): OnlinePhase.CUT_OVER,
}
STATES = {
    OnlinePhase.FOLLOWING: State.IN_PROGRESS,
    OnlinePhase.READY: State.WAITING_FOR_USER,
    OnlinePhase.CUTTING_OVER: State.IN_PROGRESS,
    OnlinePhase.GOING_BACK: State.IN_PROGRESS,
    OnlinePhase.GONE_BACK: State.CANCELED,
}
WORDS = {
    (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER): "Caught up: waits until somebody cuts over.",
    (State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK): (
        "Cut over. The way back stays open until somebody goes back or finishes."
    ),
    (State.IN_PROGRESS, Substate.COMPLETING): "A cutover began.",
    (State.IN_PROGRESS, Substate.MIGRATING_DATA): "Not every database is caught up.",
}
Wanted = tuple[State, Substate]


class PhaseLedger:
    """Written after the databases' own ledger: a database that waits for its cutover does not look at work."""

    def __init__(self, migration_id: UUID, *, fence: int) -> None:
        self.migration_id = migration_id
        self.fence = fence
        rows = MigrationDatabase.objects.filter(migration_id=migration_id)
        self._phases = {row.pk: OnlinePhase(row.phase) for row in rows}
        self._names = {row.pk: row.target_name for row in rows}
        self._has_fall_back = Migration.objects.values_list("fall_back", flat=True).get(pk=migration_id)
        forward = Replication.objects.filter(database__in=rows, direction=Direction.FORWARD.value)
        self._replications = {row.database_id: row for row in forward}
        self._touched: dict[UUID, datetime] = {}
        self._finished = {row.pk for row in rows if row.state == State.SUCCEEDED}
        self._caught_up: list[UUID] = []
        self._failed: list[UUID] = []

    def take(self, event: Event, *, at: datetime) -> None:
        """Take what moves a database from one phase to the next."""
        match event:
            case ReplicationStarted(direction=Direction.FORWARD):
                self._follow(event, at=at)
            case CaughtUp(database_id=database_id):
                self._catch_up(UUID(database_id), at=at)
            case CutoverBegan(database_id=database_id, direction=direction, is_rehearsal=False):
                is_back = direction is Direction.REVERSE
                self._move(UUID(database_id), OnlinePhase.GOING_BACK if is_back else OnlinePhase.CUTTING_OVER, at=at)
            case CutoverEnded(database_id=database_id, result=result):
                phase = self._phases[UUID(database_id)]
                self._move(UUID(database_id), AFTER.get((phase, result), phase), at=at)
            case DatabaseStarted() | DatabaseFinished() | DatabaseFailed():
                self._touch(event, at=at)

    def write(self) -> bool:
        """Store phases, and the state of the migration that follows from them."""
        if not self._touched:
            return False
        for pk, at in self._touched.items():
            MigrationDatabase.objects.filter(pk=pk).exclude(state=State.FAILED).update(**self._change(pk, at=at))
        MigrationEvent.objects.bulk_create(self._line(pk) for pk in self._caught_up)
        open_requests = ReplicationRequest.objects.filter(database__in=self._failed, ended_at__isnull=True)
        open_requests.update(ended_at=Now(), succeeded=False, message="The database failed before it was done.")
        self._settle()
        return True

    def stored(self) -> None:
        """Nothing is new any more."""
        self._touched.clear()
        self._caught_up.clear()
        self._failed.clear()

    def _follow(self, event: ReplicationStarted, *, at: datetime) -> None:
        """A run that goes on follows what another run began; a new slot begins with the first phase."""
        pk = UUID(event.database_id)
        known = self._replications.get(pk)
        if self._phases[pk] is OnlinePhase.NONE or known is None or is_new_beginning(known, event):
            self._move(pk, OnlinePhase.FOLLOWING, at=at)
        self._replications[pk] = Replication(slot=event.slot, begins_at_lsn=event.begins_at_lsn)

    def _catch_up(self, pk: UUID, *, at: datetime) -> None:
        if self._phases[pk] in (OnlinePhase.NONE, OnlinePhase.FOLLOWING):
            self._move(pk, OnlinePhase.READY, at=at)
            self._caught_up.append(pk)

    def _touch(self, event: DatabaseStarted | DatabaseFinished | DatabaseFailed, *, at: datetime) -> None:
        """What the databases' own ledger writes of one that is followed is looked at again; its end stays."""
        pk = UUID(event.database_id)
        if self._phases[pk] is not OnlinePhase.NONE:
            self._touched[pk] = at
        if isinstance(event, DatabaseFinished):
            self._finished.add(pk)
        elif isinstance(event, DatabaseFailed):
            self._failed.append(pk)

    def _move(self, pk: UUID, phase: OnlinePhase, *, at: datetime) -> None:
        self._phases[pk] = phase
        self._touched[pk] = at

    def _change(self, pk: UUID, *, at: datetime) -> dict[str, Any]:
        phase = self._phases[pk]
        change: dict[str, Any] = {"phase": phase}
        if phase in STATES:
            change["state"] = STATES[phase]
        if phase is OnlinePhase.CUT_OVER and self._has_fall_back and pk not in self._finished:
            change["state"] = State.WAITING_FOR_USER
        if phase is OnlinePhase.GONE_BACK:
            change |= {"ended_at": at, "on_target": _left_behind(self._names[pk])}
        return change

    def _line(self, pk: UUID) -> MigrationEvent:
        message = "Caught up: what changes on the source is on the target within moments."
        return MigrationEvent(migration_id=self.migration_id, database_id=pk, kind=EventKind.NOTE, message=message)

    def _settle(self) -> None:
        """A migration that is being canceled keeps saying so; one that has no wish keeps its state."""
        migration = Migration.objects.select_for_update(of=("self",)).get(pk=self.migration_id)
        ended = migration.databases.filter(state__in=TERMINAL_STATES).values_list("pk", flat=True)
        living = [phase for pk, phase in self._phases.items() if pk not in set(ended)]
        wanted = wanted_state(living, has_fall_back=migration.fall_back)
        if wanted is None or migration.cancel_requested_at is not None:
            return
        state, substate = wanted
        if migration.state != state:
            if state == State.IN_PROGRESS or migration.state == State.IN_PROGRESS:
                self._transition(state, substate)
        elif migration.substate != substate and state == State.WAITING_FOR_USER:
            self._transition(state, substate)
        elif migration.substate != substate:
            Migration.objects.filter(pk=self.migration_id).update(substate=substate)

    def _transition(self, state: State, substate: Substate) -> None:
        transition(
            self.migration_id,
            expect=[State.IN_PROGRESS, State.WAITING_FOR_USER],
            to=state,
            substate=substate,
            message=WORDS[state, substate],
            fence=self.fence,
        )


def wanted_state(phases: Collection[OnlinePhase], *, has_fall_back: bool) -> Wanted | None:
    """Return what the migration does while its databases that have not ended are in these phases; None: no matter."""
    if any(phase in UNDER_WAY for phase in phases):
        return State.IN_PROGRESS, Substate.COMPLETING
    if OnlinePhase.FOLLOWING in phases:
        return State.IN_PROGRESS, Substate.MIGRATING_DATA
    if OnlinePhase.NONE in phases or not phases:
        return None
    if OnlinePhase.READY in phases:
        return State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER
    if OnlinePhase.CUT_OVER in phases and has_fall_back:
        return State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK
    return None


def _left_behind(name: str) -> str:
    return f"The database {name} on the target holds everything until the way back, and is not in use any more."
