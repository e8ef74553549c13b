"""While tables are copied nobody reads the slot, and it holds back ever more log: it is looked at all the while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.events import Direction, ReplicationSampled
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.replication_stream import SlotLost
from migrations_app.engine.replication.alarms import Alarms
from migrations_app.engine.replication.apply import ApplyState, ApplyStatus
from migrations_app.engine.replication.logical_slot import SlotState, read_slot
from migrations_app.engine.replication.room import Room
from migrations_app.engine.replication.slot_guard import SlotGuard
from migrations_app.engine.replication_names import replication_name

LOOK_SECONDS = 5.0
NOW = "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::int8"

logger = logging.getLogger(__name__)


@contextmanager
def guarded_copy(job: DatabaseJob) -> Iterator[DatabaseJob]:
    """Yield the job in reins that are drawn when the slot was given up. Raises ``SlotLost`` then."""
    with job.control.child() as part:
        guard = _CopyGuard(job.under(part), part)
        thread = threading.Thread(target=guard.run, name=f"guard {job.database.source_name}", daemon=True)
        thread.start()
        try:
            yield job.under(part)
        except Stopped:
            if guard.lost is not None and not job.control.stopping:
                raise guard.lost from None
            raise
        finally:
            guard.over.set()
            thread.join()
    if guard.lost is not None:
        raise guard.lost


@dataclass
class _CopyGuard:
    job: DatabaseJob
    part: Control
    lost: SlotLost | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until the copy is over; a server that is away is the copy's own trouble, and is looked at again."""
        name = replication_name(self.job.spec.id, database_id=self.job.database.id)
        guard = SlotGuard(self.job, self.job.source, self.job.database.source_name, name, Alarms(self.job))
        while not self.over.is_set():
            try:
                self._look_until_over(guard)
            except SlotLost as error:
                self.lost = error
                self.part.stop(Stopped(error.message))
                return
            except Stopped:
                return
            except EngineError as error:
                logger.info("the slot %s could not be looked at: %s", name, error)
                self.over.wait(LOOK_SECONDS)

    def _look_until_over(self, guard: SlotGuard) -> None:
        with_heartbeat = self.job.spec.online.heartbeat
        with self.job.source.connected(guard.database, purpose="guard", read_only=not with_heartbeat) as source:
            while not self.over.wait(LOOK_SECONDS):
                self.job.control.check()
                slot = read_slot(source, guard.slot_name)
                if slot is not None and not slot.is_lost:
                    self._look(guard, source, slot)

    def _look(self, guard: SlotGuard, source: Connection, slot: SlotState) -> None:
        row = source.execute(NOW).fetchone()
        lsn = int(row[0]) if row else 0
        retained = max(0, lsn - slot.restart_lsn)
        self._report(slot, guard.look(source, slot, retained_bytes=retained), lsn=lsn, retained=retained)

    def _report(self, slot: SlotState, room: Room | None, *, lsn: int, retained: int) -> None:
        """Nothing is applied yet: what was written since the slot was made waits in it."""
        self.job.reporter.report(
            ReplicationSampled(
                self.job.database.id,
                Direction.FORWARD,
                ApplyStatus(ApplyState.STARTING, received_lsn=0, applied_lsn=slot.confirmed_lsn),
                source_lsn=lsn,
                lag_bytes=max(0, lsn - slot.confirmed_lsn),
                lag_seconds=None,
                retained_wal_bytes=retained,
                wal_status=slot.wal_status,
                room_bytes=room.bytes if room else None,
                room_limit=room.limit.value if room else "",
                full_in_seconds=room.full_in_seconds if room else None,
            )
        )
