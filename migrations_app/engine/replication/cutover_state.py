"""What the notes of cutovers tell the follower."""

from __future__ import annotations

from migrations_app.engine.events import Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.migrating import NOT_VERIFIED
from migrations_app.engine.replication.cutover_notes import CutoverNotes


def is_interrupted(job: DatabaseJob, direction: Direction) -> bool:
    """Tell whether an earlier run was interrupted in a cutover of this direction."""
    return bool(CutoverNotes(job).interrupted() == direction)


def is_cut_over(job: DatabaseJob) -> bool:
    """Tell whether the target was opened."""
    return CutoverNotes(job).read_opened(Direction.FORWARD) is not None


def is_gone_back(job: DatabaseJob) -> bool:
    """Tell whether the old source was opened again by a way back."""
    return CutoverNotes(job).read_opened(Direction.REVERSE) is not None


def verified_at_cutover(job: DatabaseJob) -> str:
    """Return the result of the comparison behind the fence."""
    opened = CutoverNotes(job).read_opened(Direction.FORWARD)
    return str(opened.verified) if opened is not None else NOT_VERIFIED
