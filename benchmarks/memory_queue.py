"""A part queue in memory: what the portal keeps in rows, for one run of the engine without the portal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.plan import ClaimedPart, PartPlan, TablePlan


@dataclass
class _Entry:
    id: int
    table: TablePlan
    part: PartPlan
    state: str = "todo"
    attempts: int = 0
    rows: int = 0
    bytes: int = 0

    @property
    def weight_bytes(self) -> float:
        return self.table.bytes / max(1, len(self.table.parts))


class MemoryPartQueue:
    """``engine.ports.PartQueue`` for one database and one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, _Entry] = {}
        self._tables: dict[tuple[str, str], TablePlan] = {}

    def enqueue(self, tables: Sequence[TablePlan]) -> None:
        """Add tables and their parts; a table that is already there is left as it is."""
        with self._lock:
            for table in tables:
                if _key(table) in self._tables:
                    continue
                self._tables[_key(table)] = table
                for part in table.parts:
                    entry = _Entry(len(self._entries) + 1, table, part)
                    self._entries[entry.id] = entry

    def tables(self) -> Sequence[TablePlan]:
        """Return the tables enqueued so far."""
        with self._lock:
            return list(self._tables.values())

    def claim(self) -> ClaimedPart | None:
        """Hand out the heaviest part that nobody has."""
        with self._lock:
            todo = [entry for entry in self._entries.values() if entry.state == "todo"]
            if not todo:
                return None
            entry = max(todo, key=lambda each: (each.table.bytes, each.weight_bytes, -each.id))
            entry.state = "running"
            entry.attempts += 1
            return ClaimedPart(entry.id, entry.table, entry.part, entry.attempts)

    def complete(self, part_id: int, *, rows: int, bytes: int) -> None:
        """The part's rows are on the target."""
        with self._lock:
            entry = self._entries[part_id]
            entry.state, entry.rows, entry.bytes = "done", rows, bytes

    def complete_empty(self, tables: Sequence[TablePlan]) -> None:
        """Mark every part of these tables complete with no rows."""
        keys = {_key(table) for table in tables}
        with self._lock:
            for entry in self._entries.values():
                if _key(entry.table) in keys:
                    entry.state = "done"

    def release(self, part_id: int, *, error: str) -> None:
        """Give a part back; ``error`` is why."""
        with self._lock:
            self._entries[part_id].state = "todo"

    def reclaim(self) -> None:
        """Whoever claimed parts is gone; they may be claimed again."""
        with self._lock:
            for entry in self._entries.values():
                if entry.state == "running":
                    entry.state = "todo"

    def restart(self, table: TablePlan) -> None:
        """All parts of the table must be copied again."""
        with self._lock:
            for entry in self._entries.values():
                if _key(entry.table) == _key(table):
                    entry.state, entry.rows, entry.bytes = "todo", 0, 0

    def table_is_complete(self, table: TablePlan) -> bool:
        """Tell whether every part of the table is complete."""
        with self._lock:
            return all(entry.state == "done" for entry in self._entries.values() if _key(entry.table) == _key(table))

    def close_thread(self) -> None:
        """Threads hold nothing here."""


def _key(table: TablePlan) -> tuple[str, str]:
    return table.schema, table.name
