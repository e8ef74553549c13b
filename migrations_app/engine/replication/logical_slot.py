"""The slot of one database: made with the snapshot that is copied, looked at, dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Server, errors
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.slot_session import exporting_slot
from migrations_app.engine.replication.failover import choose_failover
from migrations_app.engine.replication.lsn import parse_lsn
from migrations_app.engine.snapshot import Snapshot, hold_snapshot

LOST = "lost"
WAY_BACK_IS_OVER = (
    "There is no way back any more; the target stays in use, and the old source closed. Finish what is left with a "
    "clean-up."
)
START_AGAIN = "Resume: what changed on the source is copied again, in the snapshot of a new slot."
FREED_WITHIN_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.1
WAIT_SECONDS = 3600  # for the end of one transaction of somebody else
TELL_AFTER_SECONDS, TELL_EVERY_SECONDS = 2.0, 30.0


@dataclass(frozen=True)
class SlotState:
    """A slot of the publishing server. Places in the log are bytes; ``wal_status`` is empty before 13.

    ``safe_bytes`` may be written before max_slot_wal_keep_size is reached, None where nothing limits it, or before 13.
    """

    active_pid: int
    confirmed_lsn: int
    restart_lsn: int
    wal_status: str
    safe_bytes: int | None = None

    @property
    def is_lost(self) -> bool:
        """True where the server removed log that the slot needs: changes are missing for good."""
        return self.wal_status == LOST or self.restart_lsn == 0


@dataclass(frozen=True)
class _Blocker:
    """A row of queries/online_open_transactions.sql."""

    pid: int
    user: str | None
    database: str | None
    address: str | None
    application: str | None
    state: str | None
    since: str | None
    age_seconds: int | None
    query: str | None

    def __str__(self) -> str:
        parts = [f"process {self.pid} of role {self.user or 'unknown'} in {self.database or 'no database'}"]
        parts += [f"from {self.address}"] if self.address else []
        parts += [f"since {self.since}"] if self.since else []
        parts += [f"({self.query})"] if self.query else []
        return " ".join(parts)


@dataclass(frozen=True)
class _Prepared:
    """A row of queries/online_prepared_transactions.sql."""

    gid: str
    owner: str
    database: str
    since: str
    age_seconds: int

    def __str__(self) -> str:
        return f"prepared transaction {self.gid!r} of role {self.owner} in {self.database} since {self.since}"


def read_slot(connection: Connection, name: str) -> SlotState | None:
    """Return the slot, or None where there is none."""
    found = fetch(connection, "follow_slot", SlotState, name=name)
    return found[0] if found else None


def drop_slot(server: Server, database: str, name: str) -> None:
    """Drop a slot, ending whoever still reads from it; one that is gone is no error. Raises ``EngineError``."""
    deadline = time.monotonic() + FREED_WITHIN_SECONDS
    with server.connected(database, purpose="drop-slot", read_only=False) as connection:
        while (slot := read_slot(connection, name)) is not None:
            server.control.check()
            if slot.active_pid:
                connection.execute("SELECT pg_catalog.pg_terminate_backend(%s::int)", (slot.active_pid,))
            try:
                connection.execute("SELECT pg_catalog.pg_drop_replication_slot(%s)", (name,))
            except errors.UndefinedObject:
                return
            except errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_EVERY_SECONDS)


def when_lost(*, is_way_back: bool) -> str:
    """Return what a person does when a slot, or what it kept, is gone for good."""
    return WAY_BACK_IS_OVER if is_way_back else START_AGAIN


@contextmanager
def hold_slot_snapshot(job: DatabaseJob, *, name: str) -> Iterator[tuple[Snapshot, int]]:
    """Make the slot anew; yield the snapshot at its beginning, and where in the log that is.

    A connection of its own takes the snapshot over, so that it lives as long as the copy needs it. Where that fails,
    the slot is dropped. While the server waits for transactions of others, each is named in the event log.
    """
    database = job.database.source_name
    drop_slot(job.source, database, name)
    waiting, failover = _Waiting(job), _failover(job, name)
    try:
        with ExitStack() as held:
            with exporting_slot(
                job.source,
                database,
                name=name,
                wait_seconds=WAIT_SECONDS,
                while_waiting=waiting.look,
                failover=failover,
            ) as slot:
                snapshot = held.enter_context(hold_snapshot(job.source, database, exported=slot.snapshot))
            yield snapshot, parse_lsn(slot.begins_at)
    except Stopped:
        raise  # another run, or the clean-up, drops it
    except BaseException:
        _drop_or_tell(job, name)
        raise


def _failover(job: DatabaseJob, name: str) -> bool:
    with job.source.connected(job.database.source_name, purpose="look") as source:
        choice = choose_failover(job.source, source, name=name)
    job.note(choice.words)
    return choice.is_wanted


def _drop_or_tell(job: DatabaseJob, name: str) -> None:
    """A slot without a complete copy is of no use, and holds back the server's log."""
    if job.control.stopping:
        return
    try:
        drop_slot(job.source, job.database.source_name, name)
    except Stopped:
        raise
    except EngineError as error:
        job.note(
            f"The replication slot {name} on {job.source.endpoint.label} may be left and hold back its log "
            f"({error.message}). The next attempt drops it, or run there: SELECT pg_drop_replication_slot('{name}');",
            level=Level.WARNING,
        )


class _Waiting:
    """Names who keeps a slot waiting: after a moment, whenever that changes, and now and then."""

    def __init__(self, job: DatabaseJob) -> None:
        self._job = job
        self._told = ""
        self._looked_at = self._told_at = 0.0

    def look(self, seconds: float) -> None:
        """``seconds`` is how long the slot has been waiting."""
        if seconds < TELL_AFTER_SECONDS or seconds - self._looked_at < TELL_AFTER_SECONDS:
            return
        self._looked_at = seconds
        words = "; ".join(self._blockers()[:5])
        if words and (words != self._told or seconds - self._told_at >= TELL_EVERY_SECONDS):
            self._told, self._told_at = words, seconds
            self._job.note(
                f"The replication slot waits for the end of transactions on {self._job.source.endpoint.label}, for "
                f"{seconds:.0f} s so far: {words}. End each, or wait.",
                level=Level.WARNING,
            )

    def _blockers(self) -> list[str]:
        ours = f"{self._job.source.tag.rpartition('/')[0]}/"
        with self._job.source.connected(self._job.database.source_name, purpose="blockers") as connection:
            found = fetch(connection, "online_open_transactions", _Blocker)
            prepared = fetch(connection, "online_prepared_transactions", _Prepared)
        return [
            *(str(each) for each in found if not (each.application or "").startswith(ours)),
            *(str(each) for each in prepared),
        ]
