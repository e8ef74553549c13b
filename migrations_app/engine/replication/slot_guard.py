"""Guard a server against the log that our slot holds back there: warn in time, and give the slot up where agreed.

Only giving up the slot frees the log. A pause does the contrary: what nobody reads is held back. And while the tables
are copied nobody reads the slot at all, so that it is looked at from the moment it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.replication_stream import SlotLost
from migrations_app.engine.replication import alarms
from migrations_app.engine.replication.alarms import Alarms
from migrations_app.engine.replication.logical_slot import START_AGAIN, SlotState, drop_slot
from migrations_app.engine.replication.room import Room, RoomLimit, RoomMeter
from migrations_app.engine.validation.wording import duration, size

FULL_SHARE = 0.05  # of the disk; less than that is left
WORTH_BYTES = 256 * 1024 * 1024  # a slot that holds back less does not fill the disk
LIMIT_WORDS = {
    RoomLimit.KEEP_SIZE: "until max_slot_wal_keep_size is reached and the server throws away what the slot needs",
    RoomLimit.DISK: "until the disk of its log is full and the server stops",
    RoomLimit.GIVE_UP: "until the slot is given up, as chosen",
}


@dataclass
class SlotGuard:
    """Looks at one slot on its server; used by one thread. ``end_of_story`` says what a lost slot means and what to do.

    ``look`` raises ``SlotLost`` when the slot was given up.
    """

    job: DatabaseJob
    server: Server
    database: str
    slot_name: str
    alarms: Alarms
    end_of_story: str = START_AGAIN
    meter: RoomMeter = field(init=False)

    def __post_init__(self) -> None:
        online = self.job.spec.online
        self.meter = RoomMeter(online.give_up_wal_bytes if online.protect_source else None)

    def look(self, connection: Connection, slot: SlotState, *, retained_bytes: int) -> Room | None:
        """Look once, through a session on the slot's server; return its room, None where it is not known."""
        room = self.meter.measure(connection, slot, retained_bytes=retained_bytes)
        if self.job.spec.online.protect_source and (why := self._why_give_up(room, retained_bytes)):
            raise self._given_up(why, retained_bytes)
        self._warn_of_retained(retained_bytes)
        self._warn_of_room(room, retained_bytes)
        return room

    def _why_give_up(self, room: Room | None, retained_bytes: int) -> str:
        limit, disk = self.job.spec.online.give_up_wal_bytes, room.disk if room else None
        if retained_bytes > limit:
            return f"more than the {size(limit)} that were agreed"
        if disk is not None and disk.free < disk.size * FULL_SHARE and retained_bytes > WORTH_BYTES:
            return f"and only {size(disk.free)} of the {size(disk.size)} of the log's disk were free"
        return ""

    def _given_up(self, why: str, retained_bytes: int) -> SlotLost:
        drop_slot(self.server, self.database, self.slot_name)
        return SlotLost(
            f"The replication slot {self.slot_name} was given up to protect {self.server.endpoint.label}, as chosen: "
            f"it held back {size(retained_bytes)} of the log, {why}. The space is free after the next checkpoint.",
            hint=self.end_of_story,
        )

    def _warn_of_retained(self, retained_bytes: int) -> None:
        limit = self.job.spec.online.retained_wal_bytes
        if retained_bytes <= limit:
            self.alarms.end(alarms.RETAINED)
            return
        self.alarms.raise_(
            alarms.RETAINED,
            f"replication slot {self.slot_name}",
            f"It holds back {size(retained_bytes)} of the log of {self.server.endpoint.label}, more than the "
            f"{size(limit)} that were agreed.",
            fix="Look why the changes are applied slowly, give that server a larger disk, or cancel the migration, "
            "which drops the slot. A pause does not help: it makes the slot hold back more.",
        )

    def _warn_of_room(self, room: Room | None, retained_bytes: int) -> None:
        limit = self.job.spec.online.room_alarm_seconds
        if room is None or room.full_in_seconds is None or room.full_in_seconds >= limit:
            self.alarms.end(alarms.ROOM)
            return
        self.alarms.raise_(
            alarms.ROOM,
            f"room for the log of {self.server.endpoint.label}",
            f"At the pace of now {size(room.bytes)} last for {duration(room.full_in_seconds)}, "
            f"{LIMIT_WORDS[room.limit]}. The slot {self.slot_name} holds back {size(retained_bytes)}.",
            fix="Stop bulk work there for a while, give that server a larger disk (or raise max_slot_wal_keep_size), "
            "or cancel the migration, which drops the slot.",
        )
