"""The parts of one database as rows: ``engine.ports.PartQueue`` for many threads, guarded by the run's fence.

All threads share one connection, so nothing has to be closed when a copy worker's thread ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, connections

from migrations_app.engine.plan import ClaimedPart, TablePlan
from migrations_app.models import PartState
from migrations_app.services.lease import DEMAND_FENCE, LEASE_SECONDS, lease_lost
from migrations_app.services.part_changes import PartChange
from migrations_app.services.patience import patiently
from migrations_app.services.plans import load_tables, store_tables
from migrations_app.services.queries import query

T = TypeVar("T")


class DatabasePartQueue:
    """The queue of one database of a migration, for the run that holds ``fence``."""

    def __init__(self, *, migration_id: UUID, database_id: UUID, fence: int) -> None:
        self.migration_id = migration_id
        self.database_id = database_id
        self.fence = fence
        self._lock = threading.RLock()
        self._tables: dict[int, TablePlan] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._held: set[int] = set()
        self._took_over = False
        self._connection = connections["default"].copy()
        self._connection.inc_thread_sharing()

    def close(self) -> None:
        """Close the queue's connection; a later call opens it again."""
        with self._lock:
            self._connection.close()

    def enqueue(self, tables: Sequence[TablePlan]) -> None:
        """Add tables and their parts; a table that is already there is left as it is."""
        store = partial(
            store_tables, tables, migration_id=self.migration_id, database_id=self.database_id, fence=self.fence
        )
        patiently(lambda _: store(), connection=connection, seconds=LEASE_SECONDS)
        with self._lock:
            self._tables.clear()

    def tables(self) -> Sequence[TablePlan]:
        """Return the tables enqueued before, with their parts."""
        with self._lock:
            self._load()
            return list(self._tables.values())

    def claim(self) -> ClaimedPart | None:
        """Hand out the next part, the largest table first; None when no part is left to claim."""
        with self._lock:
            self._load()
            if not self._took_over:
                self._take_over(everything_but=())
            row = self._patiently(self._claim_once)
            if row is None:
                self._demand_fence()
                return None
            part_id, table_id, number, attempt = row
            self._held.add(part_id)
            table = self._tables[table_id]
        part = next(part for part in table.parts if part.number == number)
        return ClaimedPart(id=part_id, table=table, part=part, attempt=attempt)

    def complete(self, part_id: int, *, rows: int, bytes: int) -> None:
        """The part's rows are committed on the target."""
        states = (PartState.RUNNING, PartState.DONE)
        change = self._change([part_id], states, PartState.DONE, rows=[rows], bytes=[bytes], copies=1)

        def work(may_be_done: bool) -> int:
            return 1 if may_be_done and self._is_done(part_id) else change.apply(self._connection)

        with self._lock:
            self._expect(self._patiently(work), part_id)
            self._held.discard(part_id)

    def complete_empty(self, tables: Sequence[TablePlan]) -> None:
        """Mark every part of these tables complete with no rows, in one round trip."""
        with self._lock:
            parts = self._part_ids(tables)
            self._make(
                self._change(parts, (PartState.TODO, PartState.RUNNING), PartState.DONE, copies=1, any_fence=True)
            )

    def release(self, part_id: int, *, error: str) -> None:
        """Give a part back after a failure; it may be claimed again."""
        states = (PartState.RUNNING, PartState.TODO)
        change = self._change([part_id], states, PartState.TODO, error=error.replace("\x00", ""))
        with self._lock:
            self._expect(self._patiently(lambda _: change.apply(self._connection)), part_id)
            self._held.discard(part_id)

    def restart(self, table: TablePlan) -> None:
        """All parts of the table must be copied again."""
        with self._lock:
            parts = self._part_ids([table])
            self._make(self._change(parts, tuple(PartState), PartState.TODO, again=True, any_fence=True))
            self._held.difference_update(parts)

    def table_is_complete(self, table: TablePlan) -> bool:
        """Tell whether every part of the table is complete."""
        sql = "SELECT state = 'done' FROM migrations_app_tablecopy WHERE database_id = %s AND schema = %s AND name = %s"
        with self._lock:
            row = self._patiently(lambda _: self._fetch(sql, [self.database_id, table.schema, table.name]))
        return bool(row and row[0])

    def close_thread(self) -> None:
        """Nothing to let go of: the threads share the queue's connection."""

    def _claim_once(self, may_be_done: bool) -> tuple[int, int, int, int] | None:
        if may_be_done:  # a part may be ours without our knowing which
            self._take_over(everything_but=self._held)
        names = {"migration_id": self.migration_id, "database_id": self.database_id, "fence": self.fence}
        row: tuple[int, int, int, int] | None = self._fetch(query("part_claim"), names)
        return row

    def _take_over(self, *, everything_but: set[int] | tuple[()]) -> None:
        """Make the parts claimable that nobody works on any more: an older run's, or of an answer that was lost."""
        sql = "SELECT id FROM migrations_app_part WHERE database_id = %s AND state = 'running' AND fence <= %s"
        orphans = [
            part for (part,) in self._fetch_all(sql, [self.database_id, self.fence]) if part not in everything_but
        ]
        if orphans:
            self._change(orphans, (PartState.RUNNING,), PartState.TODO, any_fence=True).apply(self._connection)
        self._took_over = True

    def _change(self, ids: Sequence[int], states: tuple[PartState, ...], to: PartState, **numbers: Any) -> PartChange:
        return PartChange(
            migration_id=self.migration_id, fence=self.fence, ids=ids, from_states=states, to=to, **numbers
        )

    def _make(self, change: PartChange) -> None:
        self._patiently(lambda _: change.apply(self._connection))
        self._demand_fence()

    def _is_done(self, part_id: int) -> bool:
        sql = "SELECT 1 FROM migrations_app_part WHERE id = %s AND state = 'done' AND fence = %s"
        return self._fetch(sql, [part_id, self.fence]) is not None

    def _expect(self, changed: int, part_id: int) -> None:
        if changed == 0:
            self._demand_fence()
            raise RuntimeError(f"part {part_id} is not one that this run has claimed")

    def _demand_fence(self) -> None:
        row = self._patiently(lambda _: self._fetch(DEMAND_FENCE, [self.migration_id, self.fence]))
        if row is None:
            raise lease_lost()

    def _load(self) -> None:
        if self._tables:
            return
        stored = self._patiently(lambda _: load_tables(self.database_id, over=self._connection))
        self._tables = stored
        self._ids = {(plan.schema, plan.name): pk for pk, plan in stored.items()}

    def _part_ids(self, tables: Sequence[TablePlan]) -> list[int]:
        self._load()
        sql = "SELECT id FROM migrations_app_part WHERE table_id = ANY (%s::bigint[])"
        table_ids = [self._ids[table.schema, table.name] for table in tables]
        return [part for (part,) in self._patiently(lambda _: self._fetch_all(sql, [table_ids]))]

    def _patiently(self, work: Callable[[bool], T]) -> T:
        return patiently(work, connection=self._connection, seconds=LEASE_SECONDS)

    def _fetch(self, sql: str, values: Any) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()

    def _fetch_all(self, sql: str, values: Any) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())
