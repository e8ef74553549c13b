"""Bring the large objects in step: those that are new, changed or gone since they were copied, and their rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migrations_app.engine.control import Control
from migrations_app.engine.large_object_rights import restore_rights_of
from migrations_app.engine.large_objects import copy_content
from migrations_app.engine.postgres import Connection
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.snapshot import hold_view
from migrations_app.engine.verification import DigestMethod, choose_method, read_traits
from migrations_app.engine.verification.access import AccessRules
from migrations_app.engine.verification.database import read_access_rules
from migrations_app.engine.verification.large_objects import property_problems, walk_side_by_side

BATCH = 200
UNLINK = "SELECT pg_catalog.lo_unlink(%s::oid)"


@dataclass
class LargeObjectDelta:
    """What differs, as object ids. ``compared`` and ``bytes`` are those of the server that is left."""

    new: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    other_rights: list[int] = field(default_factory=list)
    compared: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        """``300 compared: 2 new, 1 changed, 0 removed``, for people."""
        if not (self.compared or self.gone):
            return "none"
        return (
            f"{self.compared:,} compared ({self.bytes:,} bytes): {len(self.new):,} new, {len(self.changed):,} changed, "
            f"{len(self.gone):,} removed"
        )


def bring_large_objects_in_step(crossing: Crossing) -> LargeObjectDelta:
    """Copy, replace and remove large objects until the target has what the source had when this began. May be repeated.

    The source may be in use: what is removed there meanwhile is still copied, and found gone the next time.
    """
    job = crossing.job
    with (
        job.source.connected(job.database.source_name, purpose="large-objects") as source,
        job.target.connected(job.database.target_name, purpose="large-objects", read_only=False) as target,
    ):
        hold_view(source)
        method = choose_method(source=read_traits(source), target=read_traits(target))
        access = read_access_rules(source, target, spec=job.spec)
        delta = find_delta(source, target, method=method, access=access, control=job.control)
        for oids in _batches([*delta.gone, *delta.changed]):
            job.control.check()
            with target.transaction():
                job.markers.hold_on(target)
                target.cursor().executemany(UNLINK, [(oid,) for oid in oids])
        for oids in _batches([*delta.changed, *delta.new]):
            job.control.check()
            with target.transaction():
                job.markers.hold_on(target)
                for oid in oids:
                    copy_content(source, target, oid)
    if rights := [*delta.new, *delta.changed, *delta.other_rights]:
        restore_rights_of(job, rights)
    return delta


def find_delta(
    source: Connection, target: Connection, *, method: DigestMethod, access: AccessRules, control: Control
) -> LargeObjectDelta:
    """Compare all large objects by size and hash, in constant memory. Raises psycopg errors."""
    delta = LargeObjectDelta()
    for wanted, present in walk_side_by_side(source, target, method=method, control=control):
        delta.compared += len(wanted)
        delta.bytes += sum(found.bytes for found in wanted.values())
        delta.new += sorted(wanted.keys() - present.keys())
        delta.gone += sorted(present.keys() - wanted.keys())
        for oid in sorted(wanted.keys() & present.keys()):
            if wanted[oid].content() != present[oid].content():
                delta.changed.append(oid)
            elif any(property_problems(wanted[oid], present[oid], access=access)):
                delta.other_rights.append(oid)
    return delta


def _batches(oids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(oids), BATCH):
        yield oids[start : start + BATCH]
