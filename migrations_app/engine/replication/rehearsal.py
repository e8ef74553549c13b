"""How long would a cutover take now: measured on both servers, without closing anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError
from migrations_app.engine.events import CutoverBegan, CutoverEnded, Event
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.replication.crossing import Crossing, crossing_back, crossing_to_target
from migrations_app.engine.replication.cutover import report_undone, step
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.engine.replication.draining import drain, set_mark
from migrations_app.engine.replication.large_object_delta import find_delta
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.readiness import Readiness, look_at_readiness
from migrations_app.engine.replication.tables_again import plan_copies
from migrations_app.engine.replication.time_box import time_box
from migrations_app.engine.replication.views_again import QUICK_SECONDS, refresh_before
from migrations_app.engine.snapshot import hold_view
from migrations_app.engine.spec import VerificationLevel
from migrations_app.engine.table_copy.planner import plan_tables
from migrations_app.engine.verification import (
    DigestMethod,
    choose_method,
    hash_table,
    read_columns,
    read_sequences,
    read_traits,
    verify_database,
)
from migrations_app.engine.verification.database import read_access_rules, read_scope

SAMPLE_SECONDS = 10.0
SAMPLE_BLOCKS = 16 * 1024  # 128 MiB of a table
BLOCK_BYTES = 8192
FENCE_SECONDS = 0.5  # closing, ending idle sessions and the first look whether they are gone
SECONDS_PER_SESSION = 0.02
SECONDS_PER_LOCK = 0.0005
REVERSE_SECONDS = 0.5
OPEN_SECONDS = 0.2
SLOWEST_READ = 1024 * 1024.0  # bytes/s that are assumed where nothing could be measured


@dataclass(frozen=True)
class Part:
    """What one step of a cutover is expected to take."""

    step: CutoverStep
    seconds: float
    detail: str

    def __str__(self) -> str:
        """``drain 0.3 s``, for people."""
        return f"{self.step.replace('_', ' ')} {self.seconds:.1f} s"


def rehearse(following: Following, request: PersonRequest, *, back: bool = False) -> CutoverEnded:
    """Try what can be tried of a cutover, and estimate the rest; nothing is closed and nothing is changed for long.

    ``back`` rehearses going back. ``downtime_seconds`` of the result is what to expect. What a cutover would refuse is
    told as undone. Raises the reason to stop.
    """
    crossing = crossing_back(following) if back else crossing_to_target(following)
    job = crossing.job
    job.reporter.report(CutoverBegan(job.database.id, crossing.direction, is_rehearsal=True))
    try:
        with time_box(job.control, seconds=job.spec.online.cutover_seconds) as control:
            return _rehearse(crossing.under(control), request.verification)
    except EngineError as error:
        job.control.check()
        return report_undone(crossing, error, downtime_seconds=0.0, fence_lsn=0)


def _rehearse(crossing: Crossing, level: VerificationLevel) -> CutoverEnded:
    job, parts = crossing.job, list[Part]()
    with step(crossing, CutoverStep.READINESS) as said:
        readiness = look_at_readiness(crossing, with_reverse=job.spec.online.fall_back, level=level)
        readiness.require()
        said.append(f"{readiness.lag_bytes:,} bytes behind")
    works: list[tuple[CutoverStep, Callable[[Crossing], Part]]] = [
        (CutoverStep.FENCE, lambda way: _fence(way, readiness)),
        (CutoverStep.DRAIN, _drain),
        (CutoverStep.TABLES, _tables),
        (CutoverStep.SEQUENCES, _sequences),
        (CutoverStep.LARGE_OBJECTS, _large_objects),
        (CutoverStep.VIEWS, _views),
        (CutoverStep.VERIFY, lambda way: _verify(way, level)),
    ]
    for which, work in works:
        with step(crossing, which) as said:
            parts.append(work(crossing))
            said.append(f"about {parts[-1].seconds:.1f} s: {parts[-1].detail}")
    if job.spec.online.fall_back:
        parts.append(Part(CutoverStep.REVERSE, REVERSE_SECONDS, "publication and slot on the other server"))
    parts.append(Part(CutoverStep.OPEN, OPEN_SECONDS, "the last properties"))
    expected = sum(part.seconds for part in parts)
    ended = CutoverEnded(
        job.database.id,
        CutoverResult.REHEARSED,
        expected,
        0,
        message=f"Expected downtime about {expected:.1f} s: {', '.join(map(str, parts))}.",
    )
    job.reporter.report(ended)
    return ended


def _fence(crossing: Crossing, readiness: Readiness) -> Part:
    tables = len(crossing.plan.tables)
    seconds = FENCE_SECONDS + readiness.sessions * SECONDS_PER_SESSION + tables * SECONDS_PER_LOCK
    return Part(CutoverStep.FENCE, seconds, f"{readiness.sessions} sessions to end, {tables:,} tables to lock")


def _drain(crossing: Crossing) -> Part:
    """A row of ours travels the whole way, behind everything that is under way now."""
    began_at = time.monotonic()
    drained = drain(crossing, set_mark(crossing), tell=crossing.job.note)
    return Part(CutoverStep.DRAIN, time.monotonic() - began_at, f"{drained.backlog_bytes:,} bytes were under way")


def _tables(crossing: Crossing) -> Part:
    """The bytes to copy again at the rate at which some of them can be read now."""
    job = crossing.job
    plans = plan_copies(job, crossing.plan)
    size = sum(table.bytes for table in plans)
    if not size:
        return Part(CutoverStep.TABLES, 0.05 * len(plans), f"{len(plans):,} tables, empty")
    with job.source.connected(job.database.source_name, purpose="rehearse") as source:
        seconds, read = _read_some(source, plans)
    rate = read / max(seconds, 0.001)
    expected = 2 * size / max(rate, SLOWEST_READ) + 0.05 * len(plans)
    return Part(CutoverStep.TABLES, expected, f"{len(plans):,} tables, {size:,} bytes, read at {rate:,.0f} bytes/s")


def _read_some(source: Connection, plans: list[TablePlan]) -> tuple[float, int]:
    """Read tables until the time for the sample is used up; return the seconds and the bytes that came."""
    began_at, read = time.monotonic(), 0
    for table in plans:
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.columns)
        rows = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(columns, qualified(*table.full_name))
        with source.cursor().copy(rows) as copy:
            for block in copy:
                read += len(block)
                if time.monotonic() - began_at > SAMPLE_SECONDS:
                    break  # the connection is of no more use, and closed by the caller
        if time.monotonic() - began_at > SAMPLE_SECONDS:
            break
    return time.monotonic() - began_at, read


def _sequences(crossing: Crossing) -> Part:
    job = crossing.job
    began_at = time.monotonic()
    with job.source.connected(job.database.source_name, purpose="rehearse") as source:
        scope = read_scope(source, job.database, provider=job.source_provider)
        count = len(read_sequences(source, scope=scope))
    return Part(CutoverStep.SEQUENCES, 2 * (time.monotonic() - began_at), f"{count:,} sequences")


def _large_objects(crossing: Crossing) -> Part:
    """All of them are compared, as the cutover does; what differs now is not copied."""
    job = crossing.job
    began_at = time.monotonic()
    with (
        job.source.connected(job.database.source_name, purpose="rehearse") as source,
        job.target.connected(job.database.target_name, purpose="rehearse", read_only=True) as target,
    ):
        hold_view(source)
        method = choose_method(source=read_traits(source), target=read_traits(target))
        access = read_access_rules(source, target, spec=job.spec)
        delta = find_delta(source, target, method=method, access=access, control=job.control)
    return Part(CutoverStep.LARGE_OBJECTS, time.monotonic() - began_at, str(delta))


def _views(crossing: Crossing) -> Part:
    views = refresh_before(crossing.job)
    quick = [view.seconds for view in views if view.seconds is not None and view.seconds <= QUICK_SECONDS]
    return Part(CutoverStep.VIEWS, sum(quick), f"{len(quick):,} of {len(views):,} views")


class _Silent:
    """Takes events and tells nobody: what differs while both servers are in use means nothing."""

    def report(self, event: Event) -> None:
        """Take one event."""


def _verify(crossing: Crossing, level: VerificationLevel) -> Part:
    """The catalog, sequences and large objects for real, the tables by a sample."""
    if level is VerificationLevel.NONE:
        return Part(CutoverStep.VERIFY, 0.1, "sequences only")
    job = crossing.job
    began_at = time.monotonic()
    verify_database(job.spec, job.database, job.source, job.target, [], {}, level, _Silent(), job.control, job.jobs)
    rest = time.monotonic() - began_at
    with (
        job.source.connected(job.database.source_name, purpose="rehearse") as source,
        job.target.connected(job.database.target_name, purpose="rehearse", read_only=True) as target,
    ):
        method = choose_method(source=read_traits(source), target=read_traits(target), level=level)
        tables = plan_tables(
            source,
            takes=job.takes,
            split_bytes=2**62,
            skips_extension=job.source_provider.owns_extension,
        )
        rates = [_rate(connection, tables, method=method, control=job.control) for connection in (source, target)]
    size = sum(table.bytes for table in tables)
    expected = rest + sum(size / rate for rate in rates)
    return Part(CutoverStep.VERIFY, expected, f"{len(tables):,} tables, {size:,} bytes, {level} on both servers")


def _rate(connection: Connection, tables: list[TablePlan], *, method: DigestMethod, control: Control) -> float:
    """Digest a part of each table until the time is used up; return bytes/s."""
    columns, began_at, done = read_columns(connection), time.monotonic(), 0
    for table in sorted(tables, key=lambda each: each.bytes):
        control.check()
        part = PartPlan(0, PartKind.CTID, None, SAMPLE_BLOCKS)
        hash_table(
            connection,
            schema=table.schema,
            table=table.name,
            columns=columns.get(table.full_name, ()),
            method=method,
            part=part if connection.info.server_version >= 140000 else None,
        )
        done += min(table.bytes, SAMPLE_BLOCKS * BLOCK_BYTES)
        if time.monotonic() - began_at > SAMPLE_SECONDS / 2:
            break
    return max(done / max(time.monotonic() - began_at, 0.001), SLOWEST_READ)
