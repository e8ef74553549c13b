"""What the thread that reads hands to the thread that writes, and how little of it may wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields

from migrations_app.engine.replication.pgoutput import DELETE, INSERT, TRUNCATE, FlatChanges


@dataclass(slots=True)
class Batch:
    """Changes in the order of the source. ``end_lsn``: where the last of them ends; 0 inside a transaction."""

    changes: FlatChanges = field(default_factory=list)
    size_bytes: int = 0
    transactions: int = 0
    end_lsn: int = 0


@dataclass(slots=True)
class Tally:
    """How many changes of each kind."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    truncates: int = 0
    transactions: int = 0

    def count(self, batch: Batch) -> None:
        """Add what a batch holds."""
        kinds = batch.changes[::4]
        inserts, deletes, truncates = kinds.count(INSERT), kinds.count(DELETE), kinds.count(TRUNCATE)
        self.inserts += inserts
        self.deletes += deletes
        self.truncates += truncates
        self.updates += len(kinds) - inserts - deletes - truncates
        self.transactions += batch.transactions

    def plus(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Handover:
    """A queue of batches, bounded by their bytes; one that is larger than the bound may wait alone."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._batches: list[Batch] = []
        self._waiting_bytes = 0
        self._in_hand = False
        self._closed = False
        self._changed = threading.Condition()

    def offer(self, batch: Batch, *, timeout_seconds: float) -> bool:
        """Put a batch in, or return False when there was no room in time."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout_seconds):
                return False
            self._batches.append(batch)
            self._waiting_bytes += batch.size_bytes
            self._changed.notify_all()
            return True

    def _has_room(self) -> bool:
        return not self._batches or self._waiting_bytes < self._limit_bytes

    def take(self, *, timeout_seconds: float) -> Batch | None:
        """Return the next batch, or None when there was none in time; it is in hand until ``done``."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._closed, timeout_seconds)
            if not self._batches:
                return None
            batch = self._batches.pop(0)
            self._waiting_bytes -= batch.size_bytes
            self._in_hand = True
            self._changed.notify_all()
            return batch

    def done(self) -> None:
        """What was taken is committed, or belongs to a transaction that is still open."""
        with self._changed:
            self._in_hand = False
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will be put in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """True when everything that was put in was done."""
        with self._changed:
            return not self._batches and not self._in_hand

    @property
    def finished(self) -> bool:
        """True when nothing is left and nothing will come."""
        with self._changed:
            return self._closed and not self._batches
