"""How far the online move of a database is: one note in the target database, changed together with what it tells."""

from __future__ import annotations

from enum import StrEnum

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection

KIND, KEY = "phase", "now"


class Phase(StrEnum):
    """From the first row to the last session; ``REVERSING`` only where a way back was chosen."""

    COPYING = "copying"
    FOLLOWING = "following"
    FENCED = "fenced"
    CUT_OVER = "cut_over"
    REVERSING = "reversing"
    DONE = "done"


def read_phase(job: DatabaseJob, connection: Connection) -> Phase:
    """Return the phase noted in the target database; ``COPYING`` where none was noted yet."""
    return Phase(job.markers.read(connection, KIND).get(KEY, Phase.COPYING))


def note_phase(job: DatabaseJob, connection: Connection, phase: Phase) -> None:
    """Note a phase, in the caller's transaction, which must hold the run's fence."""
    job.markers.forget(connection, kind=KIND, keys=[KEY])
    job.markers.add(connection, kind=KIND, keys=[KEY], detail=phase)


def has_target(job: DatabaseJob) -> bool:
    """Tell whether there is a database of the target's name, whosever it is."""
    with job.target.connected(purpose="look") as connection:
        name = job.database.target_name
        found = connection.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", (name,)).fetchone()
    return found is not None


def look_up_phase(job: DatabaseJob) -> Phase:
    """Return the phase of a database; ``COPYING`` where the target database is missing or carries no notes of ours."""
    if not has_target(job):
        return Phase.COPYING
    with job.target.connected(job.database.target_name, purpose="look", read_only=True) as connection:
        return read_phase(job, connection) if job.markers.are_ours(connection) else Phase.COPYING


def enter_phase(job: DatabaseJob, phase: Phase) -> None:
    """Note a phase durably, in a transaction of its own. Raises ``LeaseLost`` when a newer run owns the migration."""
    with (
        job.target.connected(job.database.target_name, purpose="phase", read_only=False) as connection,
        connection.transaction(),
    ):
        job.markers.hold_on(connection)
        connection.execute("SET LOCAL synchronous_commit = on")
        note_phase(job, connection, phase)
