"""One look at a followed database: how far the target has come."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.replication.apply import ApplyState, ApplyStatus
from migrations_app.engine.replication.logical_slot import SlotState

FRESH_SECONDS, SMALL_BYTES = 5.0, 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One look. ``lag_seconds`` is None without a heartbeat, or before the first one arrived."""

    status: ApplyStatus
    source_lsn: int
    slot: SlotState
    lag_seconds: float | None

    @property
    def lag_bytes(self) -> int:
        """Log that is written and not applied, of all databases of the server."""
        return max(0, self.source_lsn - self.status.applied_lsn)

    @property
    def retained_bytes(self) -> int:
        """Log that the slot holds back."""
        return max(0, self.source_lsn - self.slot.restart_lsn)

    @property
    def open_bytes(self) -> int:
        """Log since the oldest transaction began that was not over at the confirmed place: how much one may bring."""
        return max(0, self.slot.confirmed_lsn - self.slot.restart_lsn)

    def is_close(self, *, with_heartbeat: bool) -> bool:
        """Tell whether what changes is on the other side within moments."""
        if self.status.state is not ApplyState.APPLYING:
            return False
        if with_heartbeat:
            return self.lag_seconds is not None and self.lag_seconds < FRESH_SECONDS
        return self.lag_bytes < SMALL_BYTES
