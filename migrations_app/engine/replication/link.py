"""One direction in which changes travel, and a database that is being followed."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.plan import FollowedTable, ReplicationPlan


@dataclass(frozen=True)
class Link:
    """From a publishing server to a subscribing one: source to target, or back after the cutover.

    ``name`` is that of the publication and the slot on the publisher, and of the subscription. ``address`` is
    ``host:port`` at which the subscriber reaches the publisher where that differs from the portal's, else empty.
    ``also_published`` names further publications, of tables that are followed otherwise. ``passes_over``: OIDs of
    tables on the publisher whose changes may be passed over where they do not fit, as their rows are copied again.
    ``is_way_back``: the publisher is the new target, which is in use.
    """

    publisher: Server
    publisher_database: str
    subscriber: Server
    subscriber_database: str
    name: str
    tables: tuple[FollowedTable, ...]
    fence: int
    encoding: str = "UTF8"
    codec: str = "utf-8"
    address: str = ""
    also_published: tuple[str, ...] = ()
    passes_over: frozenset[int] = frozenset()
    is_way_back: bool = False

    @property
    def publications(self) -> tuple[str, ...]:
        """All publications whose changes are applied."""
        return (self.name, *self.also_published)


@dataclass(frozen=True)
class Following:
    """A database whose changes are applied to the target."""

    job: DatabaseJob
    plan: ReplicationPlan
    link: Link
    engine: ApplyEngine
