"""How far each database's changes are: one row for each direction, and its samples."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from migrations_app.engine.events import (
    CaughtUp,
    CutoverEnded,
    Direction,
    Event,
    ReplicationSampled,
    ReplicationStarted,
)
from migrations_app.engine.findings import Level
from migrations_app.engine.replication.apply import ApplyKind, ApplyState, ApplyStatus
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.models import EventKind, MigrationEvent, Replication, ReplicationSample
from migrations_app.services.queries import query
from migrations_app.services.recording.ledger import clean

THIN_OUT_EVERY_SECONDS = 60.0
Key = tuple[UUID, str]
STATE_WORDS = {
    ApplyState.APPLYING: "Replication goes on",
    ApplyState.PAUSED: "Replication is paused; the slot keeps what follows",
    ApplyState.RECONNECTING: "Replication lost a connection and tries again",
    ApplyState.BROKEN: "Replication stopped",
}
NOTHING_YET: dict[str, Any] = {
    "state": ApplyState.STARTING.value,
    "source_lsn": 0,
    "received_lsn": 0,
    "applied_lsn": 0,
    "lag_bytes": None,
    "lag_seconds": None,
    "inserts": None,
    "updates": None,
    "deletes": None,
    "truncates": None,
    "transactions": None,
    "retained_wal_bytes": None,
    "wal_status": "",
    "room_bytes": None,
    "room_limit": "",
    "full_in_seconds": None,
    "open_bytes": None,
    "most_open_bytes": None,
    "error": "",
    "error_hint": "",
    "error_server_message": "",
    "caught_up_at": None,
    "sampled_at": None,
    "ended_at": None,
}


class ReplicationLedger:
    """The newest numbers replace the older ones; every sample is kept, and thinned out as it ages."""

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        rows = Replication.objects.filter(database__migration_id=migration_id)
        self._rows: dict[Key, Replication] = {(row.database_id, row.direction): row for row in rows}
        self._changed: set[Key] = set()
        self._begun: set[Key] = set()
        self._samples: list[tuple[Key, ReplicationSample]] = []
        self._lines: list[MigrationEvent] = []
        self._thin_out_at = 0.0

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the begin of a replication, or how far it is."""
        match event:
            case ReplicationStarted():
                self._start(event, at=at)
            case ReplicationSampled():
                self._sample(event, at=at)
            case CaughtUp(database_id=database_id):
                self._catch_up(UUID(database_id), at=at)
            case CutoverEnded(database_id=database_id, result=CutoverResult.DONE):
                self._end(UUID(database_id), at=at)

    def write(self) -> bool:
        """Store changed rows, new samples and new lines; thin out old samples once a minute."""
        for key in sorted(self._changed, key=str):
            self._rows[key].save()
        for key in self._begun:
            self._rows[key].samples.all().delete()
        for key, sample in self._samples:
            sample.pk, sample.replication_id = None, self._rows[key].pk
        ReplicationSample.objects.bulk_create([sample for _, sample in self._samples])
        for line in self._lines:
            line.pk = None
        MigrationEvent.objects.bulk_create(self._lines)
        self._thin_out()
        return bool(self._changed)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changed.clear()
        self._begun.clear()
        self._samples.clear()
        self._lines.clear()

    def _start(self, event: ReplicationStarted, *, at: datetime) -> None:
        """A run that goes on tells of the same slot and place again; everything else is a new beginning."""
        key = (UUID(event.database_id), event.direction.value)
        row = self._rows.get(key)
        if row is None or is_new_beginning(row, event):
            pk = row.pk if row else None
            row = Replication(pk=pk, database_id=key[0], direction=key[1], started_at=at, state_since=at, **NOTHING_YET)
            self._begun.add(key)
            self._samples = [each for each in self._samples if each[0] != key]
            self._add(_beginning(event), key)
        row.engine, row.reason = event.engine.value, clean(event.reason)
        row.slot, row.tables, row.begins_at_lsn = event.slot, event.tables, event.begins_at_lsn
        self._rows[key] = row
        self._changed.add(key)

    def _sample(self, event: ReplicationSampled, *, at: datetime) -> None:
        key = (UUID(event.database_id), event.direction.value)
        row = self._rows.get(key)
        if row is None or row.ended_at is not None:
            row = self._begun_unseen(key, event, at=at)
        self._note_state(row, event.status, key, at=at)
        _write_numbers(row, event)
        row.sampled_at = at
        self._changed.add(key)
        sample = ReplicationSample(
            at=at,
            source_lsn=event.source_lsn,
            applied_lsn=event.status.applied_lsn,
            lag_bytes=event.lag_bytes,
            lag_seconds=event.lag_seconds,
            retained_wal_bytes=event.retained_wal_bytes,
            changes=row.changes,
        )
        self._samples.append((key, sample))

    def _begun_unseen(self, key: Key, event: ReplicationSampled, *, at: datetime) -> Replication:
        """The way back begins within the cutover, which tells of no new slot: what is sampled is followed."""
        known = self._rows.get(key)
        forward = self._rows.get((key[0], Direction.FORWARD.value))
        row = Replication(
            pk=known.pk if known else None,
            database_id=key[0],
            direction=key[1],
            engine=ApplyKind.THROUGH_PORTAL.value,
            tables=forward.tables if forward else 0,
            begins_at_lsn=event.status.applied_lsn,
            started_at=at,
            state_since=at,
            **NOTHING_YET,
        )
        self._rows[key] = row
        return row

    def _catch_up(self, database_id: UUID, *, at: datetime) -> None:
        row = self._rows.get((database_id, Direction.FORWARD.value))
        if row is not None and row.caught_up_at is None:
            row.caught_up_at = at
            self._changed.add((database_id, row.direction))

    def _end(self, database_id: UUID, *, at: datetime) -> None:
        """A cutover ends the way to the target; one after it ends the way back."""
        for direction in (Direction.FORWARD.value, Direction.REVERSE.value):
            row = self._rows.get((database_id, direction))
            if row is not None and row.ended_at is None:
                row.ended_at = at
                self._changed.add((database_id, direction))
                return

    def _note_state(self, row: Replication, status: ApplyStatus, key: Key, *, at: datetime) -> None:
        if status.state == row.state:
            return
        was_starting = row.state == ApplyState.STARTING
        row.state, row.state_since = status.state.value, at
        if status.state in STATE_WORDS and not (was_starting and status.state is ApplyState.APPLYING):
            words = STATE_WORDS[status.state]
            self._add(f"{words}: {status.error}" if status.error else f"{words}.", key, is_error=_is_broken(status))

    def _add(self, message: str, key: Key, *, is_error: bool = False) -> None:
        self._lines.append(
            MigrationEvent(
                migration_id=self.migration_id,
                database_id=key[0],
                kind=EventKind.ERROR if is_error else EventKind.NOTE,
                level=str(Level.FAILED if is_error else Level.INFO),
                message=clean(f"Way back: {message}" if key[1] == Direction.REVERSE else message),
            )
        )

    def _thin_out(self) -> None:
        if time.monotonic() < self._thin_out_at:
            return
        self._thin_out_at = time.monotonic() + THIN_OUT_EVERY_SECONDS
        with connection.cursor() as cursor:
            for row in self._rows.values():
                cursor.execute(query("replication_thinning"), {"replication_id": row.pk})


def is_new_beginning(row: Replication, event: ReplicationStarted) -> bool:
    """Tell whether this is another slot, or another place in it, than the one that the row tells of."""
    is_same = (row.slot, row.begins_at_lsn) == (event.slot, event.begins_at_lsn)
    return not is_same or row.ended_at is not None


def _beginning(event: ReplicationStarted) -> str:
    tables = "1 table is" if event.tables == 1 else f"{event.tables} tables are"
    words = "server to server" if event.engine is ApplyKind.SERVER_TO_SERVER else "through the portal"
    reason = f", because {event.reason[0].lower()}{event.reason[1:].rstrip('.')}" if event.reason else ""
    return f"{tables} followed from {lsn_text(event.begins_at_lsn)} on (slot {event.slot}), {words}{reason}."


def _is_broken(status: ApplyStatus) -> bool:
    return status.state is ApplyState.BROKEN


def _write_numbers(row: Replication, event: ReplicationSampled) -> None:
    status = event.status
    row.source_lsn, row.received_lsn, row.applied_lsn = event.source_lsn, status.received_lsn, status.applied_lsn
    row.lag_bytes, row.lag_seconds = event.lag_bytes, event.lag_seconds
    row.retained_wal_bytes, row.wal_status = event.retained_wal_bytes, event.wal_status
    row.room_bytes, row.room_limit, row.full_in_seconds = event.room_bytes, event.room_limit, event.full_in_seconds
    row.open_bytes = event.open_bytes
    row.most_open_bytes = max(filter(None, (row.most_open_bytes, event.open_bytes)), default=event.open_bytes)
    for name in ("inserts", "updates", "deletes", "truncates", "transactions"):
        setattr(row, name, getattr(status, name))
    row.error, row.error_hint = clean(status.error), clean(status.hint)
    row.error_server_message = clean(status.server_message)
