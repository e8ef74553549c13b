"""Rows of migrations that are followed, as the recorder leaves them."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from migrations_app.engine.events import Step
from migrations_app.engine.replication.cutover_steps import CutoverStep
from migrations_app.engine.spec import MigrationMode
from migrations_app.models import (
    CutoverAttempt,
    CutoverStepTime,
    Migration,
    MigrationDatabase,
    OnlinePhase,
    Replication,
    ReplicationSample,
    State,
    Substate,
)
from tests.portal.sample_rows import GIB, MIB, add_database, add_event, migration, times

BASE = 22 * GIB
DETAILS = {
    CutoverStep.READINESS: "No long transaction; 3 sessions of shop_app (10.1.7.21) write.",
    CutoverStep.FENCE: "4 roles are kept out, 3 sessions were ended.",
    CutoverStep.DRAIN: "12.4 KiB were left.",
    CutoverStep.TABLES: "1 table without a key was copied again: public.audit_log.",
    CutoverStep.SEQUENCES: "14 sequences, 1,000 values ahead.",
    CutoverStep.LARGE_OBJECTS: "None.",
    CutoverStep.VIEWS: "2 were refreshed.",
    CutoverStep.VERIFY: "Row counts of 12 tables are the same.",
    CutoverStep.OPEN: "Roles may write on the target.",
}
TOOK = (0.4, 0.2, 0.3, 0.5, 0.1, 0.05, 0.2, 1.4, 0.1)


def online(
    name: str = "shop-online",
    *,
    phase: OnlinePhase = OnlinePhase.READY,
    databases: tuple[str, ...] = ("shop",),
    by: User | None = None,
    **fields: Any,
) -> Migration:
    """Every database is caught up and waits, unless ``phase`` says something else."""
    start = timezone.now() - timedelta(hours=3)
    steps = times(Step.CATCH_UP, start=start)
    waits = {
        OnlinePhase.READY: (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER),
        OnlinePhase.CUT_OVER: (State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK),
        OnlinePhase.FOLLOWING: (State.IN_PROGRESS, Substate.MIGRATING_DATA),
        OnlinePhase.CUTTING_OVER: (State.IN_PROGRESS, Substate.COMPLETING),
    }
    state, substate = waits[phase]
    owner = migration(
        name,
        state=state,
        substate=substate,
        mode=MigrationMode.ONLINE,
        by=by,
        started_at=start,
        step_times=steps,
        **fields,
    )
    for number, database in enumerate(databases):
        row = add_database(owner, database, done=12, state=state, step="catch_up", step_times=steps, phase=phase)
        follow(row, seed=number, direction="reverse" if phase == OnlinePhase.CUT_OVER else "forward")
    add_event(owner, "Caught up: waits until somebody cuts over.")
    return owner


def follow(
    database: MigrationDatabase, *, seed: int = 0, lag_bytes: int = 12_700, seconds: int = 3000, **fields: Any
) -> Replication:
    """A replication that wavers around its lag, with samples as the recorder thins them."""
    noise = random.Random(seed)
    now = timezone.now()
    values: dict[str, Any] = {
        "direction": "forward",
        "engine": "server_to_server",
        "reason": "The target reaches the source, and its administrator may subscribe.",
        "slot": "pgmig_4b1e77aa_shop",
        "tables": 12,
        "begins_at_lsn": BASE - GIB,
        "state": "applying",
        "source_lsn": BASE + lag_bytes,
        "received_lsn": BASE,
        "applied_lsn": BASE,
        "lag_bytes": lag_bytes,
        "lag_seconds": 0.4,
        "inserts": 1_204_332,
        "updates": 480_112,
        "deletes": 9_120,
        "truncates": 2,
        "transactions": 311_904,
        "retained_wal_bytes": 48 * MIB,
        "wal_status": "reserved",
        "open_bytes": 3 * MIB,
        "most_open_bytes": 2 * GIB,
        "started_at": now - timedelta(hours=3),
        "state_since": now - timedelta(hours=2),
        "caught_up_at": now - timedelta(hours=2),
        "sampled_at": now,
    }
    row = Replication.objects.create(database=database, **(values | fields))
    every = [age for age in (*range(3600, 600, -60), *range(600, 120, -15), *range(120, -1, -4)) if age <= seconds]
    speed = 3 * MIB
    ReplicationSample.objects.bulk_create(
        ReplicationSample(
            replication=row,
            at=now - timedelta(seconds=age),
            source_lsn=BASE - int(age * speed * noise.uniform(0.97, 1.0)) + lag_bytes,
            applied_lsn=BASE - int(age * speed * 1.0),
            lag_bytes=max(int(lag_bytes * noise.uniform(0.5, 1.5) * (1 + age / 600)), 0),
            lag_seconds=noise.uniform(0.2, 0.6) * (1 + age / 600),
            retained_wal_bytes=48 * MIB,
            changes=1_693_564 - age * 800,
        )
        for age in every
    )
    return row


def attempt(
    database: MigrationDatabase, *, result: str = "rehearsed", until: int = len(TOOK), **fields: Any
) -> CutoverAttempt:
    """A cutover or a rehearsal with its time line; one whose result is empty runs in the step ``until``."""
    seconds = sum(TOOK[1:until])
    at = timezone.now() - timedelta(seconds=sum(TOOK[:until]) + fields.pop("ago", 0))
    row = CutoverAttempt.objects.create(
        database=database,
        is_rehearsal=fields.pop("is_rehearsal", result == "rehearsed"),
        result=result,
        began_at=at,
        ended_at=at + timedelta(seconds=sum(TOOK[:until])) if result else None,
        downtime_seconds=seconds if result else None,
        fence_lsn=BASE if result else 0,
        **fields,
    )
    for number, (step, detail) in enumerate(list(DETAILS.items())[: until + (not result)]):
        is_over = number < until
        ended = at + timedelta(seconds=TOOK[number]) if is_over else None
        CutoverStepTime.objects.create(
            attempt=row, step=step.value, started_at=at, ended_at=ended, detail=detail if is_over else ""
        )
        at += timedelta(seconds=TOOK[number])
    return row
