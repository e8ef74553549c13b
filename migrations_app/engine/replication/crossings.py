"""The doors to cutover, way back and clean-up, as the follower uses them."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Callable

from migrations_app.engine.events import CutoverEnded, Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.migrating import NOT_VERIFIED
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.link import Following, Link


def cut_over(following: Following, request: PersonRequest) -> CutoverEnded:
    """Move the use of a database to the target, or undo everything."""
    from migrations_app.engine.replication.cutover import cut_over

    ended: CutoverEnded = cut_over(following, request)
    return ended


def settle(following: Following, direction: Direction) -> CutoverEnded | None:
    """Bring to an end what an interrupted run left of a cutover."""
    from migrations_app.engine.replication.cutover import settle

    ended: CutoverEnded | None = settle(following, direction)
    return ended


def rehearse(following: Following, request: PersonRequest, *, back: bool = False) -> CutoverEnded:
    """Measure how long a cutover would take now."""
    from migrations_app.engine.replication.rehearsal import rehearse

    ended: CutoverEnded = rehearse(following, request, back=back)
    return ended


def followed_back(following: Following, engine_for: Callable[[Link], ApplyEngine]) -> Following:
    """Return what is followed after the cutover."""
    from migrations_app.engine.replication.fall_back import followed_back

    back: Following = followed_back(following, engine_for)
    return back


def go_back(following: Following, request: PersonRequest) -> CutoverEnded:
    """Move the use of a database back to the old source, or undo everything."""
    from migrations_app.engine.replication.fall_back import go_back

    ended: CutoverEnded = go_back(following, request)
    return ended


def finish(following: Following, *, reopen_left: bool) -> None:
    """Remove everything of ours; what is left after all is reported as findings."""
    from migrations_app.engine.replication.clean_up import finish

    finish(following, reopen_left=reopen_left)


def clean_up(job: DatabaseJob) -> tuple[str, ...]:
    """Remove what was made for replication after a failure or a cancel; return what is left, in words."""
    from migrations_app.engine.replication.clean_up import clean_up

    return tuple(str(each) for each in clean_up(job))


def is_interrupted(job: DatabaseJob, direction: Direction) -> bool:
    """Tell whether an earlier run was interrupted in a cutover of this direction."""
    from migrations_app.engine.replication.cutover_notes import CutoverNotes

    return bool(CutoverNotes(job).interrupted() == direction)


def is_cut_over(job: DatabaseJob) -> bool:
    """Tell whether the target was opened."""
    from migrations_app.engine.replication.cutover_notes import CutoverNotes

    return CutoverNotes(job).read_opened(Direction.FORWARD) is not None


def is_gone_back(job: DatabaseJob) -> bool:
    """Tell whether the old source was opened again by a way back."""
    from migrations_app.engine.replication.cutover_notes import CutoverNotes

    return CutoverNotes(job).read_opened(Direction.REVERSE) is not None


def verified_at_cutover(job: DatabaseJob) -> str:
    """Return the result of the comparison behind the fence."""
    from migrations_app.engine.replication.cutover_notes import CutoverNotes

    opened = CutoverNotes(job).read_opened(Direction.FORWARD)
    return str(opened.verified) if opened is not None else NOT_VERIFIED
