"""The room that a server has for the log which a slot holds back: how much is left, and for how long."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from migrations_app.engine.postgres import Connection
from migrations_app.engine.probe_disk import DiskSpace
from migrations_app.engine.replication.log_disk import may_measure, measure_log_disk
from migrations_app.engine.replication.logical_slot import SlotState

MEASURE_SECONDS = 60.0
HISTORY_SECONDS, LEAST_SECONDS = 300.0, 10.0


class RoomLimit(StrEnum):
    """What ends the room; the words people read are the portal's."""

    KEEP_SIZE = "max_slot_wal_keep_size"
    DISK = "disk"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Room:
    """``bytes`` of log fit until ``limit`` is reached; ``full_in_seconds`` at the pace of now, None: it does not fill.

    ``disk`` where it could be measured.
    """

    bytes: int
    limit: RoomLimit
    full_in_seconds: float | None = None
    disk: DiskSpace | None = None


@dataclass
class RoomMeter:
    """Measures the room of one slot; used by one thread. ``give_up_bytes``: where the slot is given up, if it is."""

    give_up_bytes: int | None
    _history: deque[tuple[float, int]] = field(default_factory=deque)
    _may_measure: bool | None = None
    _disk: DiskSpace | None = None
    _measured_at: float = -MEASURE_SECONDS

    def measure(self, connection: Connection, slot: SlotState, *, retained_bytes: int) -> Room | None:
        """Return the smallest room that is known; None where none is."""
        self._remember(retained_bytes)
        disk = self._look_at_disk(connection)
        known: list[tuple[int, RoomLimit]] = []
        if slot.safe_bytes is not None:
            known.append((max(slot.safe_bytes, 0), RoomLimit.KEEP_SIZE))
        if disk is not None:
            known.append((disk.free, RoomLimit.DISK))
        if self.give_up_bytes is not None:
            known.append((max(self.give_up_bytes - retained_bytes, 0), RoomLimit.GIVE_UP))
        if not known:
            return None
        size, limit = min(known)
        growth = self._growth()
        return Room(size, limit, size / growth if growth > 0 else None, disk)

    def _look_at_disk(self, connection: Connection) -> DiskSpace | None:
        if self._may_measure is None:
            self._may_measure = may_measure(connection)
        if self._may_measure and time.monotonic() - self._measured_at >= MEASURE_SECONDS:
            self._measured_at = time.monotonic()
            self._disk = measure_log_disk(connection)
        return self._disk

    def _remember(self, retained_bytes: int) -> None:
        now = time.monotonic()
        self._history.append((now, retained_bytes))
        while now - self._history[0][0] > HISTORY_SECONDS:
            self._history.popleft()

    def _growth(self) -> float:
        """Bytes a second by which the slot holds back more; 0 where that is not known yet."""
        (began, first), (ended, last) = self._history[0], self._history[-1]
        span = ended - began
        return (last - first) / span if span > 0 and span >= LEAST_SECONDS else 0.0
