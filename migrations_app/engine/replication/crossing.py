"""Which database is left and which is entered: source and target at the cutover, the other way round going back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from migrations_app.engine.control import Control
from migrations_app.engine.events import Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.cutover_notes import CutoverNotes
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.plan import ReplicationPlan
from migrations_app.engine.spec import DatabaseSpec, Endpoint, MigrationSpec, Side
from migrations_app.engine.target.markers import Markers


class Unheld(Markers):
    """Where no notes are: the old source. What an older run does there ends with its sessions."""

    def hold_on(self, connection: Connection) -> None:
        """There is nothing to hold on to."""


@dataclass(frozen=True)
class Crossing:
    """One way to go. ``job`` leads from the database that is left (its source) to the one that is entered (its target).

    ``notes`` are in the migration's target database whichever way it goes. ``link`` and ``engine`` carry the changes
    in this direction.
    """

    job: DatabaseJob
    notes: CutoverNotes
    direction: Direction
    plan: ReplicationPlan
    link: Link
    engine: ApplyEngine

    def under(self, control: Control) -> Crossing:
        """Return the same way, held by other reins."""
        notes = replace(self.notes, job=self.notes.job.under(control))
        return replace(self, job=self.job.under(control), notes=notes)

    @property
    def left_words(self) -> str:
        """The database that is left, for people: ``shop on dba@10.0.0.4:5432``."""
        return f"{self.job.database.source_name} on {self.job.source.endpoint.label}"

    @property
    def entered_words(self) -> str:
        """The database that is entered, for people."""
        return f"{self.job.database.target_name} on {self.job.target.endpoint.label}"


def crossing_to_target(following: Following) -> Crossing:
    """Return the way of the cutover."""
    return Crossing(
        job=following.job,
        notes=CutoverNotes(following.job),
        direction=Direction.FORWARD,
        plan=following.plan,
        link=following.link,
        engine=following.engine,
    )


def crossing_back(following: Following) -> Crossing:
    """Return the way back to the old source; ``following`` is the one of the changes of the new target."""
    return Crossing(
        job=reversed_job(following.job),
        notes=CutoverNotes(following.job),
        direction=Direction.REVERSE,
        plan=following.plan,
        link=following.link,
        engine=following.engine,
    )


def reversed_job(job: DatabaseJob) -> DatabaseJob:
    """Return the same work the other way round: the target is read, and the old source is written to."""
    database = reversed_database(job.database)
    return replace(
        job,
        spec=reversed_spec(job.spec),
        database=database,
        source=_on_side(job.target, Side.SOURCE),
        target=_on_side(job.source, Side.TARGET),
        markers=Unheld(job.markers.migration_id, job.markers.database_id, job.markers.fence),
        source_version=job.target_version,
        target_version=job.source_version,
        source_provider=job.target_provider,
        target_provider=job.source_provider,
        losses=[],
    )


def reversed_database(database: DatabaseSpec) -> DatabaseSpec:
    """Return the database with its two names exchanged."""
    return replace(database, source_name=database.target_name, target_name=database.source_name)


def reversed_spec(spec: MigrationSpec) -> MigrationSpec:
    """Return the migration with its two servers exchanged."""
    return replace(
        spec,
        source=endpoint_on(spec.target, Side.SOURCE),
        target=endpoint_on(spec.source, Side.TARGET),
        databases=tuple(reversed_database(database) for database in spec.databases),
    )


def endpoint_on(endpoint: Endpoint, side: Side) -> Endpoint:
    """Return the same server seen as source or as target."""
    return replace(endpoint, side=side)


def _on_side(server: Server, side: Side) -> Server:
    return Server(endpoint_on(server.endpoint, side), tag=server.tag, control=server.control)


def crossing_of_fence(crossing: Crossing, direction: Direction) -> Crossing:
    """Return the way whose left database is that of ``direction``, to look at its fence or to reopen it."""
    if crossing.direction is direction:
        return crossing
    own = crossing.notes.job
    return replace(crossing, job=own if direction is Direction.FORWARD else reversed_job(own), direction=direction)
