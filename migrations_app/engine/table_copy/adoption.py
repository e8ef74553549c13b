"""What an earlier run copied is kept only where it is proved to be the same in the snapshot of this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from migrations_app.engine.errors import TargetNotOurs
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.spec import VerificationLevel
from migrations_app.engine.table_copy.again import AGAIN, tables_to_copy_again
from migrations_app.engine.table_copy.copier import DigestPlan, plan_digests
from migrations_app.engine.table_copy.statements import part_key, table_key
from migrations_app.engine.verification import hash_table

EXTENT = "extent"


def adopt(
    job: DatabaseJob, snapshot: Snapshot, *, planned: Sequence[TablePlan]
) -> tuple[list[TablePlan], dict[str, str]]:
    """Enqueue what is new, reset what verification found different, keep what is proved, reset the rest.

    Returns the tables to copy (in the parts in which they were begun) and the parts that are on the target,
    by key, with their row counts.
    """
    with job.target.connected(job.database.target_name, purpose="adopt") as target:
        done = job.markers.read(target, "part")
        earlier = job.markers.read(target, "snapshot").get(EXTENT)
        begun = list(job.queue.tables())
        _require_same_tables(begun, planned)
        tables = _with_flags(begun, planned) or list(planned)
        job.queue.enqueue(planned)
        _reset_noted(job, target, tables=tables, done=done)
        if begun:
            if done and earlier != snapshot.extent:
                _prove_or_reset(job, snapshot, target, tables=tables, done=done)
            _match_queue(job, tables, done=done)
        _remember_extent(job, target, snapshot)
    return tables, done


def _with_flags(begun: Sequence[TablePlan], planned: Sequence[TablePlan]) -> list[TablePlan]:
    """The queue keeps how a table is cut into parts; how large and of what kind it is, the source tells anew."""
    now = {table.full_name: table for table in planned}
    return [
        replace(
            table,
            bytes=now[table.full_name].bytes,
            is_configuration=now[table.full_name].is_configuration,
            tree=now[table.full_name].tree,
        )
        for table in begun
    ]


def _require_same_tables(begun: Sequence[TablePlan], planned: Sequence[TablePlan]) -> None:
    before = {(table.schema, table.name, table.columns) for table in begun}
    now = {(table.schema, table.name, table.columns) for table in planned}
    if begun and before != now:
        names = ", ".join(sorted({f"{schema}.{name}" for schema, name, _ in before ^ now})[:5])
        raise TargetNotOurs(
            f"Tables of the source changed since the copy began: {names}.",
            hint="Nobody may change the schema while a database moves. Start a new migration of this database.",
        )


def _reset_noted(job: DatabaseJob, target: Connection, *, tables: Sequence[TablePlan], done: dict[str, str]) -> None:
    """Empty what is noted to be copied again; partitions that fill each other all together."""
    noted = tables_to_copy_again(job, target)
    for together in _by_destination(tables):
        if not any(table_key(*table.full_name) in noted for table in together):
            continue
        job.control.check()
        keys = [part_key(table, part) for table in together for part in table.parts]
        _reset(job, target, together, keys=keys)
        for key in keys:
            done.pop(key, None)
    if noted:
        job.note(f"{len(noted)} tables are emptied and copied again.")


def _prove_or_reset(
    job: DatabaseJob, snapshot: Snapshot, target: Connection, *, tables: Sequence[TablePlan], done: dict[str, str]
) -> None:
    plan = plan_digests(job, snapshot, level=VerificationLevel.FULL)
    kept = reset = 0
    with snapshot.reader("adopt") as source:
        for together in _by_destination(tables):
            job.control.check()
            keys = [part_key(table, part) for table in together for part in table.parts]
            if not any(key in done for key in keys):
                continue
            if together[0].tree is None and _is_proved(source, target, together[0], done=done, plan=plan):
                kept += 1
                continue
            reset += len(together)
            _reset(job, target, together, keys=keys)
            for key in keys:
                done.pop(key, None)
    job.note(
        f"The source is read in a new snapshot. {kept} tables copied before are identical in it and stay; "
        f"{reset} changed in between and are copied again.",
        level=Level.WARNING if reset else Level.INFO,
    )


def _by_destination(tables: Sequence[TablePlan]) -> list[list[TablePlan]]:
    """Each table alone; the partitions of a tree together, since rows of one may be in another."""
    found: dict[tuple[str, str], list[TablePlan]] = {}
    for table in tables:
        found.setdefault(table.destination, []).append(table)
    return list(found.values())


def _is_proved(
    source: Connection, target: Connection, table: TablePlan, *, done: Mapping[str, str], plan: DigestPlan
) -> bool:
    """The target holds the rows of the noted parts and no other: the digests must be equal and leave out no column."""
    columns = plan.columns.get(table.full_name, ())
    expected = plan.empty(table)
    for part in table.parts:
        if part_key(table, part) not in done:
            continue
        expected += hash_table(
            source,
            schema=table.schema,
            table=table.name,
            columns=columns,
            method=plan.method,
            part=part,
            condition=table.condition,
        )
    found = hash_table(
        target, schema=table.schema, table=table.name, columns=columns, method=plan.method, condition=table.condition
    )
    return found == expected and not found.unprovable_columns


def _reset(job: DatabaseJob, target: Connection, tables: Sequence[TablePlan], *, keys: Sequence[str]) -> None:
    """Empty the tables and forget their parts at once; an extension's own table is emptied when it is copied again."""
    with target.transaction():
        job.markers.hold_on(target)
        for table in tables:
            if not table.is_configuration:
                target.execute(sql.SQL("TRUNCATE ONLY {}").format(qualified(table.schema, table.name)))
        job.markers.forget(target, kind="part", keys=keys)
        job.markers.forget(target, kind=AGAIN, keys=[table_key(*table.full_name) for table in tables])


def _match_queue(job: DatabaseJob, tables: Sequence[TablePlan], *, done: Mapping[str, str]) -> None:
    """The target's notes are the truth: what the queue believes complete and is not must be queued again."""
    for table in tables:
        if any(part_key(table, part) not in done for part in table.parts):
            job.queue.restart(table)


def _remember_extent(job: DatabaseJob, target: Connection, snapshot: Snapshot) -> None:
    with target.transaction():
        job.markers.hold_on(target)
        job.markers.forget(target, kind="snapshot", keys=[EXTENT])
        job.markers.add(target, kind="snapshot", keys=[EXTENT], detail=snapshot.extent)
