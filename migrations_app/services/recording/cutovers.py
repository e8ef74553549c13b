"""Cutovers and rehearsals with their time lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from migrations_app.engine.events import (
    CutoverBegan,
    CutoverEnded,
    CutoverStepFinished,
    CutoverStepStarted,
    Direction,
    Event,
)
from migrations_app.engine.findings import Level
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.models import CutoverAttempt, CutoverStepTime, EventKind, MigrationEvent, ReplicationRequest
from migrations_app.services.recording.ledger import clean

Steps = dict[CutoverStep, CutoverStepTime]


class CutoverLedger:
    """One attempt of a database runs at a time; a run that goes on with it adds to its time line."""

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        rows = CutoverAttempt.objects.filter(database__migration_id=migration_id, ended_at__isnull=True)
        self._open = {row.database_id: row for row in rows.prefetch_related("steps")}
        self._steps: dict[UUID, Steps] = {pk: _steps(row.steps.all()) for pk, row in self._open.items()}
        self._changed: dict[int, tuple[CutoverAttempt, Steps]] = {}
        self._lines: list[MigrationEvent] = []

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the begin, a step or the end of an attempt."""
        match event:
            case CutoverBegan():
                self._begin(event, at=at)
            case CutoverStepStarted(database_id=database_id, step=step):
                self._step_of(UUID(database_id), step, at=at).ended_at = None
            case CutoverStepFinished(database_id=database_id, step=step, detail=detail):
                row = self._step_of(UUID(database_id), step, at=at)
                row.ended_at, row.detail = at, clean(detail)
            case CutoverEnded():
                self._end(event, at=at)

    def write(self) -> bool:
        """Store changed attempts with their steps, and the new lines of the log."""
        for attempt, steps in self._changed.values():
            attempt.save()
            for step in steps.values():
                step.attempt = attempt
                step.save()
        for line in self._lines:
            line.pk = None
        MigrationEvent.objects.bulk_create(self._lines)
        return bool(self._changed or self._lines)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changed.clear()
        self._lines.clear()

    def _begin(self, event: CutoverBegan, *, at: datetime) -> None:
        """An attempt of the same kind that never ended goes on; one of another kind was cut short."""
        database_id = UUID(event.database_id)
        before = self._open.get(database_id)
        if before is not None and _goes_on(before, event):
            return
        if before is not None:
            before.ended_at, before.result = at, CutoverResult.UNDONE.value
            before.message = "It was interrupted."
            self._touch(database_id)
        attempt = CutoverAttempt(
            database_id=database_id,
            direction=event.direction.value,
            is_rehearsal=event.is_rehearsal,
            began_at=at,
            request=_request_of(database_id, event),
        )
        self._open[database_id], self._steps[database_id] = attempt, {}
        self._touch(database_id)
        self._add(f"{_name(attempt)} began.", database_id)

    def _step_of(self, database_id: UUID, step: CutoverStep, *, at: datetime) -> CutoverStepTime:
        attempt = self._attempt(database_id, at=at)
        row = self._steps[database_id].get(step)
        if row is None:
            row = CutoverStepTime(attempt=attempt, step=step.value, started_at=at)
            self._steps[database_id][step] = row
        self._touch(database_id)
        return row

    def _attempt(self, database_id: UUID, *, at: datetime) -> CutoverAttempt:
        """The attempt that runs; what is undone of an attempt whose begin nobody told is an attempt as well."""
        if database_id not in self._open:
            self._open[database_id] = CutoverAttempt(database_id=database_id, began_at=at)
            self._steps[database_id] = {}
        return self._open[database_id]

    def _end(self, event: CutoverEnded, *, at: datetime) -> None:
        database_id = UUID(event.database_id)
        attempt = self._attempt(database_id, at=at)
        attempt.ended_at, attempt.result = at, event.result.value
        attempt.downtime_seconds, attempt.fence_lsn = event.downtime_seconds, event.fence_lsn
        attempt.message, attempt.hint = clean(event.message), clean(event.hint)
        attempt.server_message = clean(event.server_message)
        self._touch(database_id)
        self._add(_outcome(attempt), database_id, is_error=event.result is CutoverResult.UNDONE)
        self._open.pop(database_id)
        self._steps.pop(database_id)

    def _touch(self, database_id: UUID) -> None:
        attempt = self._open[database_id]
        self._changed[id(attempt)] = (attempt, self._steps[database_id])

    def _add(self, message: str, database_id: UUID, *, is_error: bool = False) -> None:
        self._lines.append(
            MigrationEvent(
                migration_id=self.migration_id,
                database_id=database_id,
                kind=EventKind.ERROR if is_error else EventKind.NOTE,
                level=str(Level.FAILED if is_error else Level.INFO),
                message=clean(message),
            )
        )


def _steps(rows: Iterable[CutoverStepTime]) -> Steps:
    return {CutoverStep(row.step): row for row in rows}


def _goes_on(attempt: CutoverAttempt, event: CutoverBegan) -> bool:
    return (attempt.direction, attempt.is_rehearsal) == (event.direction.value, event.is_rehearsal)


def _request_of(database_id: UUID, event: CutoverBegan) -> ReplicationRequest | None:
    kind = RequestKind.GO_BACK if event.direction is Direction.REVERSE else RequestKind.CUTOVER
    kinds = [RequestKind.REHEARSE.value] if event.is_rehearsal else [kind.value]
    return ReplicationRequest.objects.filter(database_id=database_id, kind__in=kinds, ended_at__isnull=True).first()


def _name(attempt: CutoverAttempt) -> str:
    if attempt.is_rehearsal:
        return "Rehearsal of the cutover"
    return "Going back to the source" if attempt.direction == Direction.REVERSE else "Cutover"


def _outcome(attempt: CutoverAttempt) -> str:
    """What the log says of the end: the number that counts, or why it did not work."""
    seconds = f"{attempt.downtime_seconds or 0:.1f} s"
    place = lsn_text(attempt.fence_lsn)
    reason = f" {attempt.message}" if attempt.message else ""
    if attempt.result == CutoverResult.REHEARSED:
        return f"Rehearsed: a cutover would take about {seconds} now.{reason}"
    if attempt.result == CutoverResult.UNDONE:
        what = "Rehearsal" if attempt.is_rehearsal else _name(attempt)
        return f"{what} was undone.{reason}"
    if attempt.direction == Direction.REVERSE:
        return f"Went back to the source in {seconds}, at {place}.{reason}"
    return f"Cut over in {seconds}, at {place}.{reason}"
