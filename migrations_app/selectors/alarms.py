"""What is watched while changes are followed, value against threshold; and for how long a migration has been at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from migrations_app.engine.replication.room import RoomLimit
from migrations_app.engine.spec import MigrationMode
from migrations_app.models import Migration, Replication

LIMIT_WORDS = {
    RoomLimit.KEEP_SIZE: "until max_slot_wal_keep_size is reached, and the server throws away what the slot needs",
    RoomLimit.DISK: "until the disk of its log is full, and the server stops",
    RoomLimit.GIVE_UP: "until the slot is given up, as chosen",
}


class Watched(StrEnum):
    """What has a threshold."""

    LAG = "lag"
    RETAINED = "retained"
    ROOM = "room"


@dataclass(frozen=True)
class Gauge:
    """One value against its threshold: seconds of lag, bytes held back, seconds until the room is used up.

    ``value`` None is not known. Of the room, too little is the alarm; ``room_bytes`` and ``words`` say which it is.
    """

    watched: Watched
    value: float | None
    limit: float
    is_over: bool
    room_bytes: int | None = None
    words: str = ""


@dataclass(frozen=True)
class Reminder:
    """A migration has been at it for longer than people wished: since when, and how many days were meant."""

    words: str
    since: datetime
    days: int


def gauges_of(migration: Migration, row: Replication) -> list[Gauge]:
    """Return everything that is watched of one replication."""
    lag, held = row.lag_seconds, row.retained_wal_bytes
    was_caught_up = row.caught_up_at is not None or row.direction != "forward"
    limit = LIMIT_WORDS[RoomLimit(row.room_limit)] if row.room_limit else ""
    full = row.full_in_seconds
    return [
        Gauge(
            Watched.LAG,
            lag,
            migration.lag_alarm_seconds,
            is_over=was_caught_up and lag is not None and lag > migration.lag_alarm_seconds,
        ),
        Gauge(
            Watched.RETAINED,
            held,
            migration.retained_wal_bytes,
            is_over=held is not None and held > migration.retained_wal_bytes,
        ),
        Gauge(
            Watched.ROOM,
            full,
            migration.room_alarm_seconds,
            is_over=full is not None and full < migration.room_alarm_seconds,
            room_bytes=row.room_bytes,
            words=limit,
        ),
    ]


def alarms_over(migration: Migration, rows: Iterable[Replication]) -> tuple[str, ...]:
    """Return in words which thresholds are passed, of all databases of a migration, each once."""
    words = {
        Watched.LAG: "the lag is above its threshold",
        Watched.RETAINED: "the slot holds back more log than was agreed",
        Watched.ROOM: "the source's room for its log runs out",
    }
    over = {gauge.watched for row in rows for gauge in gauges_of(migration, row) if gauge.is_over}
    return tuple(words[watched] for watched in Watched if watched in over)


def reminders_of(migration: Migration, *, waits_since: datetime | None) -> list[Reminder]:
    """Return what people wished to be reminded of; nothing of a migration that has ended, or is not online.

    ``waits_since``: when the first of its databases that are not cut over caught up.

    Azure's service ends a migration after 7 days, and its wait for a cutover after 3; here nothing is ended.
    """
    if migration.mode != MigrationMode.ONLINE or not migration.is_active:
        return []
    now, found = timezone.now(), []
    days = migration.warn_after_days
    if days and migration.started_at and now - migration.started_at > timedelta(days=days):
        found.append(Reminder("It has been running", migration.started_at, days))
    days = migration.warn_cutover_days
    if days and waits_since and now - waits_since > timedelta(days=days):
        found.append(Reminder("It waits for its cutover", waits_since, days))
    return found
