"""What verification did not prove identical is noted in the target, and copied again by the next run.

A note stays until the table is emptied; then it has no parts any more, which says the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_objects import AGAIN as LARGE_OBJECT_AGAIN
from migrations_app.engine.postgres import Connection
from migrations_app.engine.table_copy.statements import table_key
from migrations_app.engine.verification import Unproved

AGAIN = "recopy"  # a kind of notes; the keys are those of tables
COPIED = "copied"
SHOWN = 10


def note_unproved(job: DatabaseJob, found: Unproved) -> None:
    """Note, durably, what the next run copies again; nothing while a table is broken, since no copy could end."""
    tables = () if found.broken else found.tables
    large_objects = () if found.broken else found.large_objects
    with job.target.connected(job.database.target_name, purpose="again") as target, target.transaction():
        job.markers.hold_on(target)
        target.execute("SET LOCAL synchronous_commit = on")
        for kind in (AGAIN, LARGE_OBJECT_AGAIN):
            job.markers.forget(target, kind=kind, keys=job.markers.read(target, kind))
        job.markers.add(target, kind=AGAIN, keys=[table_key(*name) for name in tables])
        job.markers.add(target, kind=LARGE_OBJECT_AGAIN, keys=[str(oid) for oid in large_objects])
    _tell(job, found)


def begin_again(job: DatabaseJob) -> None:
    """If something is to be copied again, forget that everything was copied."""
    with job.target.connected(job.database.target_name, purpose="again") as target, target.transaction():
        job.markers.hold_on(target)
        if tables_to_copy_again(job, target) or job.markers.read(target, LARGE_OBJECT_AGAIN):
            job.markers.forget(target, kind="step", keys=[COPIED])


def tables_to_copy_again(job: DatabaseJob, target: Connection) -> set[str]:
    """Return the keys of the tables that are noted."""
    return set(job.markers.read(target, AGAIN))


def _tell(job: DatabaseJob, found: Unproved) -> None:
    if found.broken:
        job.note(
            f"On the target these tables are gone or lack columns: {_names(found.broken)}. Resume cannot copy rows "
            f"into them: drop the database {job.database.target_name} on the target and migrate it anew.",
            level=Level.WARNING,
        )
    elif found.tables:
        job.note(f"Resume copies these tables again: {_names(found.tables)}.", level=Level.WARNING)
    if found.large_objects and not found.broken:
        job.note(f"Resume copies {len(found.large_objects):,} large objects again.", level=Level.WARNING)


def _names(tables: Sequence[tuple[str, str]]) -> str:
    names = [".".join(name) for name in sorted(tables)]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
