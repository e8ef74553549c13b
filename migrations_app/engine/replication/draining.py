"""Wait until everything that was committed before the fence is on the other side, and prove it twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from migrations_app.engine.errors import EngineError
from migrations_app.engine.replication.apply import ApplyState, ApplyStatus
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.fence_row import has_arrived, write_mark
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.replication.readiness import INSERTED_UP_TO

LOOK_EVERY_SECONDS = 0.1
TELL_EVERY_SECONDS = 10.0


class ApplyBroken(EngineError):
    """The apply stopped with an error while it was waited for."""


@dataclass(frozen=True)
class Mark:
    """Where the log was when the fence had closed, and the row that was written behind it."""

    lsn: int
    token: str


@dataclass(frozen=True)
class Drained:
    """How long it took, and how far the apply was behind when it began."""

    seconds: float
    backlog_bytes: int

    def __str__(self) -> str:
        """``2,345,678 bytes in 0.8 s``, for people."""
        return f"{self.backlog_bytes:,} bytes in {self.seconds:.1f} s"


def set_mark(crossing: Crossing) -> Mark:
    """Take the place in the log now, and write a row behind it; with the fence closed nothing else may follow."""
    job = crossing.job
    with job.source.connected(job.database.source_name, purpose="mark") as connection:
        row = connection.execute(INSERTED_UP_TO).fetchone()
    mark = Mark(int(row[0]) if row else 0, f"fence {uuid4()}")
    write_mark(crossing, mark.token)
    return mark


def drain(crossing: Crossing, mark: Mark, *, tell: Callable[[str], None]) -> Drained:
    """Wait until the apply has come to the mark *and* its row is on the other side.

    ``tell`` gets a sentence about how it moves, about every 10 s. Raises ``ApplyBroken``; the caller's control limits
    the time. Neither proof is enough alone: a position may move past what was not applied, and a row may overtake
    what another stream still holds.
    """
    began_at = told_at = time.monotonic()
    first = status = crossing.engine.status()
    arrived = False
    while status.applied_lsn < mark.lsn or not (arrived := arrived or has_arrived(crossing, mark.token)):
        crossing.job.control.check()
        _refuse_broken(status)
        if time.monotonic() - told_at >= TELL_EVERY_SECONDS:
            told_at = time.monotonic()
            tell(_progress(first, status, mark=mark, seconds=told_at - began_at))
        time.sleep(LOOK_EVERY_SECONDS)
        status = crossing.engine.status()
    return Drained(time.monotonic() - began_at, max(0, mark.lsn - first.applied_lsn))


def _refuse_broken(status: ApplyStatus) -> None:
    if status.state in (ApplyState.BROKEN, ApplyState.PAUSED):
        raise ApplyBroken(
            f"The changes are not being applied ({status.state}): {status.error or 'somebody paused it'}.",
            hint=status.hint or "Continue it, wait until it has caught up, then cut over again.",
            server_message=status.server_message,
        )


def _progress(first: ApplyStatus, status: ApplyStatus, *, mark: Mark, seconds: float) -> str:
    left, done = max(0, mark.lsn - status.applied_lsn), status.applied_lsn - first.applied_lsn
    if done <= 0:
        return (
            f"Nothing was applied for {seconds:.0f} s; {left:,} bytes are left before {lsn_text(mark.lsn)} "
            f"({status.state})."
        )
    rate = done / seconds
    return f"{left:,} bytes are left, {rate:,.0f} bytes/s: about {left / rate:.0f} s."
