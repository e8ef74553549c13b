"""Whether a slot outlives a failover: standbys since 17 keep a copy of slots that are marked so.

https://www.postgresql.org/docs/18/logicaldecoding-explanation.html#LOGICALDECODING-REPLICATION-SLOTS-SYNCHRONIZATION
"""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.queries.reading import fetch_one

FAILOVER_SINCE = 170000
IS_FAILOVER = "SELECT failover FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"


@dataclass(frozen=True)
class FailoverChoice:
    """Whether a slot is made so that standbys keep it, and a sentence that says what that means; may be empty."""

    is_wanted: bool
    words: str


@dataclass(frozen=True)
class _Seen:
    """A row of queries/follow_failover_post_170000.sql."""

    is_standby: bool
    idle_slots: list[str]


def choose_failover(server: Server, connection: Connection, *, name: str) -> FailoverChoice:
    """Mark the slot wherever that costs nothing.

    It would where ``synchronized_standby_slots`` names a slot that nobody reads: then no change of a marked slot is
    sent, and the apply would stand still.
    """
    label = server.endpoint.label
    if connection.info.server_version < FAILOVER_SINCE:
        return FailoverChoice(
            False,
            f"If {label} fails over to a standby, the replication slot {name} is lost: standbys keep slots since 17.",
        )
    seen = fetch_one(connection, "follow_failover", _Seen)
    if seen.is_standby:
        return FailoverChoice(False, f"{label} is a standby itself; its replication slot {name} is on it alone.")
    if seen.idle_slots:
        return FailoverChoice(
            False,
            f"The replication slot {name} is not kept by standbys of {label}: synchronized_standby_slots there names "
            f"slots that nobody reads ({', '.join(seen.idle_slots)}), and changes would wait for them.",
        )
    return FailoverChoice(
        True,
        f"The replication slot {name} is a failover slot: a standby of {label} with sync_replication_slots has it "
        "when it is promoted.",
    )


def is_failover_slot(publisher: Connection, name: str) -> bool:
    """Tell whether a slot is marked; a subscription made for it must say the same, or it takes the mark away."""
    if publisher.info.server_version < FAILOVER_SINCE:
        return False
    return publisher.execute(IS_FAILOVER, (name,)).fetchone() == (True,)
