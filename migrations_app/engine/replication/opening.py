"""Open the database that is entered: the last thing a cutover does, and the one that has no undo."""

from __future__ import annotations

from migrations_app.engine.events import Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.replication.crossing import Crossing, crossing_of_fence
from migrations_app.engine.replication.fence import how_to_reopen, reopen
from migrations_app.engine.replication.old_source_guards import tell_refused, wake_old_source
from migrations_app.engine.target.event_triggers import read_asleep, wake
from migrations_app.engine.target.guards import read_guards, wake_guards
from migrations_app.engine.target.settings import set_last_properties


def open_entered(crossing: Crossing) -> None:
    """Give the database that is entered what it lacks to be used. May be repeated.

    The new target gets its last properties and its event triggers; the old source is reopened.
    """
    if crossing.direction is Direction.FORWARD:
        _complete_target(crossing.notes.job)
    else:
        wake_old_source(crossing.notes.job)
        reopen(crossing_of_fence(crossing, Direction.FORWARD))


def _complete_target(job: DatabaseJob) -> None:
    with job.target.connected(job.database.target_name, purpose="open", read_only=False) as target:
        set_last_properties(job, target)
        with target.transaction():
            job.markers.hold_on(target)
            target.execute("SET LOCAL synchronous_commit = on")
            refused = wake_guards(job, target, read_guards(target))
            wake(job, target, read_asleep(target))
    tell_refused(job, refused, where=f"{job.database.target_name} on {job.target.endpoint.label}")


def what_stays_closed(crossing: Crossing) -> str:
    """Return what a person should know about the database that was left, and what opens it."""
    note = crossing.notes.read_fence(crossing.direction)
    if note is None:
        return ""
    return (
        f"{crossing.left_words} stays closed, so that nobody writes there by mistake. "
        f"{how_to_reopen(crossing.job.database.source_name, note.access)}"
    )
