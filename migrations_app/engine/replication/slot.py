"""Look at the slot before it is read: whether it is there, whether it has what we need, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Server
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.replication_stream import SlotLost
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.logical_slot import when_lost
from migrations_app.engine.replication.lsn import lsn_text


@dataclass(frozen=True)
class Slot:
    """A row of queries/apply_slot.sql."""

    database: str
    plugin: str
    active_pid: int | None
    is_lost: bool
    confirmed_lsn: int
    reader: str

    def must_not_be_ahead_of(self, applied_lsn: int, link: Link) -> None:
        """Raise ``SlotLost`` where the publisher was told to forget what the subscriber does not have (any more)."""
        if self.confirmed_lsn > applied_lsn:
            raise SlotLost(
                f"The slot {link.name} was confirmed up to {lsn_text(self.confirmed_lsn)}, but the database where the "
                f"changes arrive is at {lsn_text(applied_lsn)}: it was set back, by a restore or a failover.",
                hint=when_lost(is_way_back=link.is_way_back),
            )


def check_slot(publisher: Server, link: Link) -> Slot:
    """Return the slot of ``link``. Raises ``SlotLost`` where it cannot be read."""
    with publisher.connected(link.publisher_database, purpose="apply-look") as connection:
        found = fetch(connection, "apply_slot", Slot, slot=link.name)
    label, then = publisher.endpoint.label, when_lost(is_way_back=link.is_way_back)
    if not found:
        raise SlotLost(
            f"There is no replication slot {link.name} on {label} (any more).",
            hint=f"A failover to a standby, or a person, removed it. {then}",
        )
    if found[0].is_lost:
        raise SlotLost(
            f"{label} removed the log that the replication slot {link.name} needs.",
            hint=f"max_slot_wal_keep_size or idle_replication_slot_timeout was exceeded. {then}",
        )
    return found[0]


def end_older_reader(publisher: Server, link: Link, slot: Slot) -> None:
    """End a session of this migration that still reads the slot: we hold the fence now, so it is over.

    A session of anybody else is left alone.
    """
    migration = publisher.tag.rpartition("/")[0] + "/"
    if slot.active_pid is None or not slot.reader.startswith(migration):
        return
    with publisher.connected(link.publisher_database, purpose="apply-look") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(%s::int) FROM pg_replication_slots WHERE slot_name = %s AND active_pid = %s",
            (slot.active_pid, link.name, slot.active_pid),
        )
