"""Triggers, rules and row security of the old source sleep while the new target's changes are applied to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, errors
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.target.guards import ALWAYS, WHEN_REPLICA, Guard, listed, statements_to_wake, wake_guards

STAY_ASLEEP = "PM4091"
KIND = "old source's guard"  # of a note in the target
REPLICA_ROLE = "SET LOCAL session_replication_role = replica"


def put_old_source_to_sleep(job: DatabaseJob, kind: ApplyKind) -> None:
    """Disable on the old source what would act on the rows that come back; noted in the target before. Repeatable.

    A subscription applies as a replica; through the portal our user may lack the right to, and then every trigger acts.
    """
    database = job.database.source_name
    with (
        job.source.connected(database, purpose="guards", read_only=False) as source,
        job.target.connected(job.database.target_name, purpose="guards", read_only=False) as target,
    ):
        source.execute("SET lock_timeout = '10s'")
        is_replica = kind is ApplyKind.SERVER_TO_SERVER or _may_be_replica(source)
        found = fetch(source, "follow_guards", Guard, states=[*(WHEN_REPLICA if is_replica else ALWAYS)])
        found += fetch(source, "withheld_rights", Guard)
        if not found:
            return
        with target.transaction():
            job.markers.hold_on(target)
            for guard in found:
                job.markers.add(target, kind=KIND, keys=[_key(guard)], detail=guard.state)
        with source.transaction():
            for guard in found:
                source.execute(guard.statement(wake=False))
    words = "On the old source these are disabled while changes come back, so that they are applied as they were made"
    job.note(f"{words}: {listed(found)}.")


def wake_old_source(job: DatabaseJob) -> None:
    """Enable what was put to sleep there, and forget the notes; what is refused becomes a finding. May be repeated."""
    if not (guards := noted_guards(job)):
        return
    with job.source.connected(job.database.source_name, purpose="guards", read_only=False) as source:
        source.execute("SET lock_timeout = '10s'")
        refused = wake_guards(job, source, guards)
    tell_refused(job, refused, where=f"{job.database.source_name} on {job.source.endpoint.label}")
    with (
        job.target.connected(job.database.target_name, purpose="guards", read_only=False) as target,
        target.transaction(),
    ):
        job.markers.hold_on(target)
        job.markers.forget(target, kind=KIND, keys=[_key(guard) for guard in guards])


def noted_guards(job: DatabaseJob) -> list[Guard]:
    """Return what sleeps on the old source, as it will be when it wakes."""
    with job.target.connected(job.database.target_name, purpose="guards", read_only=True) as target:
        noted = job.markers.read(target, KIND) if job.markers.are_ours(target) else {}
    return [_guard(key, state) for key, state in noted.items()]


def _key(guard: Guard) -> str:
    return json.dumps(astuple(guard)[:4])


def _guard(key: str, state: str) -> Guard:
    kind, schema, table, name = json.loads(key)
    return Guard(kind, schema, table, name, state)


def _may_be_replica(source: Connection) -> bool:
    try:
        with source.transaction():
            source.execute(REPLICA_ROLE)
    except errors.InsufficientPrivilege:
        return False
    return True


def tell_refused(job: DatabaseJob, refused: Sequence[Guard], *, where: str) -> None:
    """Make a finding of what a server refused to enable again; nothing where nothing was refused."""
    if not refused:
        return
    job.find(
        STAY_ASLEEP,
        Level.WARNING,
        f"{', '.join(map(str, refused[:5]))}",
        f"They were disabled in {where} while changes were applied, and the server refused to enable them again.",
        why="What they forbid or record does not happen there.",
        fix="Run the script there as the owner of the tables.",
        fix_sql=statements_to_wake(refused),
        phase="cutover",
    )
