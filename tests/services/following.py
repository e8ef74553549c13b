"""An online migration's rows, and what its engine reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.events import (
    CaughtUp,
    CutoverBegan,
    CutoverEnded,
    CutoverStepFinished,
    CutoverStepStarted,
    DatabaseFinished,
    DatabaseStarted,
    Direction,
    Event,
    ReplicationSampled,
    ReplicationStarted,
)
from migrations_app.engine.ports import PartQueue, Reporter, Requests
from migrations_app.engine.replication.apply import ApplyKind, ApplyState, ApplyStatus
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.engine.spec import DatabaseSpec, MigrationMode, MigrationSpec
from migrations_app.models import Migration

MIB = 1024 * 1024


def make_online(migration: Migration, **changes: object) -> None:
    Migration.objects.filter(pk=migration.pk).update(mode=MigrationMode.ONLINE, **changes)


def started(database_id: str, *, direction: Direction = Direction.FORWARD, begins_at: int = 16 * MIB) -> Event:
    return ReplicationStarted(
        database_id,
        direction,
        ApplyKind.SERVER_TO_SERVER,
        reason="The target reaches the source.",
        slot="pgmig_4b1e_shop",
        tables=7,
        begins_at_lsn=begins_at,
    )


def sampled(
    database_id: str,
    *,
    state: ApplyState = ApplyState.APPLYING,
    applied: int = 17 * MIB,
    source: int = 18 * MIB,
    direction: Direction = Direction.FORWARD,
    open_bytes: int | None = None,
    **status: object,
) -> Event:
    return ReplicationSampled(
        database_id,
        direction,
        ApplyStatus(state, received_lsn=applied, applied_lsn=applied, **status),  # type: ignore[arg-type]
        source_lsn=source,
        lag_bytes=source - applied,
        lag_seconds=0.4,
        retained_wal_bytes=5 * MIB,
        wal_status="reserved",
        open_bytes=open_bytes,
    )


def cutover(
    database_id: str,
    *,
    result: CutoverResult = CutoverResult.DONE,
    direction: Direction = Direction.FORWARD,
    message: str = "",
    verifies: bool = False,
) -> Iterator[Event]:
    yield CutoverBegan(database_id, direction, is_rehearsal=result is CutoverResult.REHEARSED)
    steps = [CutoverStep.READINESS, CutoverStep.FENCE, CutoverStep.DRAIN]
    for step in [*steps, CutoverStep.VERIFY] if verifies else steps:
        yield CutoverStepStarted(database_id, step)
        yield CutoverStepFinished(database_id, step, detail=f"{step} is done")
    yield CutoverEnded(database_id, result, 3.21, 18 * MIB, message=message)


@dataclass(frozen=True)
class Outcome:
    succeeded: bool = True
    look_again_seconds: float | None = None


class OnlineEngine:
    """Follows every database, then calls ``work`` until that says how it ends."""

    def __init__(self, work: Callable[[Reporter, Requests, DatabaseSpec], bool], *, rests: bool = False) -> None:
        self.work = work
        self.rests = rests
        self.calls = 0
        self.spec: MigrationSpec | None = None

    def __call__(
        self,
        spec: MigrationSpec,
        *,
        reporter: Reporter,
        control: Control,
        queue_for: Callable[[DatabaseSpec], PartQueue],
        work_dir: Path,
        requests: Requests,
    ) -> Outcome:
        self.calls += 1
        self.spec = spec
        waiting = [database for database in spec.databases if not database.finished]
        for database in waiting:
            if self.calls == 1:
                reporter.report(DatabaseStarted(database.id))
            reporter.report(started(database.id))
            reporter.report(sampled(database.id, inserts=10))
            reporter.report(CaughtUp(database.id))
        deadline = time.monotonic() + 60
        while waiting and time.monotonic() < deadline:
            control.check()
            waiting = [database for database in waiting if not self.work(reporter, requests, database)]
            if self.rests and waiting:
                return Outcome(look_again_seconds=3600)
            time.sleep(0.05)
        assert not waiting, "nobody asked for the end"
        return Outcome()


def cut_over_when_asked(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
    """Do what is asked, and tell whether the database is done with."""
    request = requests.pending(database.id)
    if request is None:
        return False
    for event in cutover(database.id):
        reporter.report(event)
    reporter.report(DatabaseFinished(database.id, "identical"))
    requests.end(request, succeeded=True)
    return True
