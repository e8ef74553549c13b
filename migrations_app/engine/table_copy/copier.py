"""Copy the tables: several lanes at once, digests of the source beside them, indexes behind them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from migrations_app.engine.crew import Crew
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart, PartPlan, TablePlan
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.spec import VerificationLevel
from migrations_app.engine.table_copy.lane import open_lane
from migrations_app.engine.table_copy.statements import part_key
from migrations_app.engine.verification import (
    Column,
    DigestMethod,
    TableDigest,
    choose_method,
    empty_digest,
    hash_table,
    read_columns,
    read_traits,
)

TableName = tuple[str, str]
Digests = dict[TableName, TableDigest]


@dataclass(frozen=True)
class DigestPlan:
    """How the tables of one database are digested; ``columns`` by (schema, table)."""

    method: DigestMethod
    columns: Mapping[TableName, tuple[Column, ...]]

    def empty(self, table: TablePlan) -> TableDigest:
        """Return the digest of no rows."""
        return empty_digest(self.columns.get(table.destination, ()), method=self.method)


def plan_digests(job: DatabaseJob, snapshot: Snapshot, *, level: VerificationLevel) -> DigestPlan:
    """Read the columns of the source's tables and choose a hash that both servers compute alike."""
    with (
        snapshot.reader("digest-plan") as source,
        job.target.connected(job.database.target_name, purpose="digest-plan", read_only=True) as target,
    ):
        method = choose_method(source=read_traits(source), target=read_traits(target), level=level)
        return DigestPlan(method, read_columns(source))


class TableCopier:
    """Drives the lanes of one database. ``on_table`` is called once for each of ``tables`` whose rows are all there."""

    def __init__(
        self,
        job: DatabaseJob,
        snapshot: Snapshot,
        *,
        tables: Sequence[TablePlan],
        done: Mapping[str, str],
        on_table: Callable[[TablePlan], None],
    ) -> None:
        self._job = job
        self._snapshot = snapshot
        self._done = done
        self._on_table = on_table
        self._told: dict[TableName, list[TablePlan]] = {}
        self._members = Counter(table.destination for table in tables)
        self._lock = threading.Lock()
        self.running: dict[str, ClaimedPart] = {}

    def start(self, crew: Crew) -> list[threading.Thread]:
        """Start the copy workers."""
        return [crew.start(f"copy-{number}", partial(self._work, number)) for number in range(self._job.jobs)]

    def _work(self, number: int) -> None:
        job = self._job
        try:
            first = self._next_unfinished()
            if first is None:
                return
            with open_lane(job, self._snapshot, number=number) as lane:
                claimed: ClaimedPart | None = first
                while claimed is not None:
                    self.running[lane.purpose] = claimed
                    rows = self._copy(lane.copy, claimed)
                    self.running.pop(lane.purpose, None)
                    self._complete(claimed, rows)
                    claimed = self._next_unfinished()
        finally:
            job.queue.close_thread()

    def _copy(self, copy: Callable[[ClaimedPart], int], claimed: ClaimedPart) -> int:
        try:
            return copy(claimed)
        except Exception as error:
            self._job.queue.release(claimed.id, error=str(error))
            raise

    def _next_unfinished(self) -> ClaimedPart | None:
        """Claim the next part whose rows are not on the target yet; the target's own notes decide."""
        while True:
            self._job.control.check()
            claimed = self._job.queue.claim()
            if claimed is None:
                return None
            noted = self._done.get(part_key(claimed.table, claimed.part))
            if noted is None:
                return claimed
            self._complete(claimed, int(noted))

    def _complete(self, claimed: ClaimedPart, rows: int) -> None:
        table = claimed.table
        self._job.queue.complete(claimed.id, rows=rows, bytes=table.bytes // max(1, len(table.parts)))
        if self._job.queue.table_is_complete(table):
            self.tell(table)

    def tell(self, table: TablePlan) -> None:
        """Say once that a table is complete; partitions that fill each other are complete together."""
        with self._lock:
            told = self._told.setdefault(table.destination, [])
            if table in told:
                return
            told.append(table)
            complete = [*told] if len(told) == self._members[table.destination] else []
        for each in complete:
            self._on_table(each)


class SourceDigester:
    """Digests the source's tables in the copy's snapshot, beside the copy: the source has time to spare."""

    def __init__(self, job: DatabaseJob, snapshot: Snapshot, *, plan: DigestPlan, tables: Sequence[TablePlan]) -> None:
        self._job = job
        self._snapshot = snapshot
        self._plan = plan
        self._lock = threading.Lock()
        self._todo: Iterator[tuple[TablePlan, PartPlan]] = iter(
            [(table, part) for table in tables for part in table.parts]
        )
        self.digests: Digests = {(table.schema, table.name): plan.empty(table) for table in tables}

    def start(self, crew: Crew) -> list[threading.Thread]:
        """Start the digest workers: half as many as copy workers."""
        workers = max(1, self._job.jobs // 2)
        return [crew.start(f"digest-{number}", partial(self._work, number)) for number in range(workers)]

    def _work(self, number: int) -> None:
        with self._snapshot.reader(f"digest{number}") as connection:
            while (item := self._next()) is not None:
                self._job.control.check()
                table, part = item
                name = (table.schema, table.name)
                digest = hash_table(
                    connection,
                    schema=table.schema,
                    table=table.name,
                    columns=self._plan.columns.get(table.destination, ()),
                    method=self._plan.method,
                    part=part,
                    condition=table.condition,
                )
                with self._lock:
                    self.digests[name] += digest

    def _next(self) -> tuple[TablePlan, PartPlan] | None:
        with self._lock:
            return next(self._todo, None)
