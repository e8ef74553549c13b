"""Remove everything we made on both servers; safe to repeat, and a server that is gone does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost, Stopped
from migrations_app.engine.events import Direction
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.crossing import reversed_job
from migrations_app.engine.replication.cutover_notes import CutoverNotes, FenceNote
from migrations_app.engine.replication.fence import how_to_reopen, restore_noted
from migrations_app.engine.replication.heartbeat import drop_heartbeat
from migrations_app.engine.replication.identities import take_whole_rows_back
from migrations_app.engine.replication.leftovers import Leftover, find_leftovers, is_gone, schema_is_of_another
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.logical_slot import drop_slot
from migrations_app.engine.replication.old_source_guards import wake_old_source
from migrations_app.engine.replication.publication import drop_publications
from migrations_app.engine.replication.removal import drop_subscription
from migrations_app.engine.replication.reverse_link import reverse_name
from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import Side
from migrations_app.engine.target.finish import forget_notes

LEFT_BEHIND = "PM4090"
OUR_SCHEMA = "_migration_portal"


@dataclass
class _Sweep:
    """Runs one piece after the other and keeps what was refused."""

    control: Control
    refusals: list[str] = field(default_factory=list)

    def do(self, work: Callable[[], object]) -> None:
        """Do a piece of work; an error that is expected is kept and does not stop the others.

        An engine of the run that was canceled may refuse to work at all.
        """
        self.control.check()
        try:
            work()
        except LeaseLost:
            raise
        except EngineError as error:
            if not is_gone(error):
                self.refusals.append(f"{error.message} {error.server_message}".strip())


@dataclass(frozen=True)
class Swept:
    """What a clean-up found of ours in one database: ``before`` and ``after`` it; ``kept`` is meant to stay."""

    side: Side
    server: str
    database: str
    before: tuple[Leftover, ...]
    after: tuple[Leftover, ...]
    kept: tuple[Leftover, ...]

    @property
    def left(self) -> tuple[Leftover, ...]:
        """What should be gone and is not."""
        return tuple(each for each in self.after if each not in self.kept)


def finish(following: Following, *, reopen_left: bool = False) -> tuple[Leftover, ...]:
    """End an online migration that was cut over: nothing of ours stays on either server, and that is looked up.

    The database that was left stays closed, so that nobody writes there unseen; with ``reopen_left`` it is opened again
    as it was before its fence. Returns what is left after all, which is reported as findings too: empty where
    everything is gone.
    """
    return _remove_everything(following.job, following.engine, is_complete=True, reopen_left=reopen_left)


def clean_up(job: DatabaseJob, engine: ApplyEngine | None = None) -> tuple[Leftover, ...]:
    """Remove what we made, after a failure or a cancel; the notes stay in the target, whose copy is incomplete.

    A source that a cutover closed without getting to its end is opened; an old source, whose target is in use, stays
    closed. Raises ``LeaseLost`` when a newer run owns the migration.
    """
    return _remove_everything(job, engine, is_complete=False, reopen_left=False)


def clean_up_again(job: DatabaseJob) -> tuple[Swept, Swept]:
    """Do the same by hand, whatever became of the database; return what was there and what is left, of both servers."""
    there, _ = _names(job)
    before = _found(job, prefix=there)
    left = _remove_everything(job, None, is_complete=bool(job.database.finished), reopen_left=False)
    after = _found(job, prefix=there)
    kept = [[each for each in found if each not in left] for found in after]
    sides = ((Side.SOURCE, job.source, job.database.source_name), (Side.TARGET, job.target, job.database.target_name))
    swept = [
        Swept(side, server.endpoint.label, database, tuple(before[at]), tuple(after[at]), tuple(kept[at]))
        for at, (side, server, database) in enumerate(sides)
    ]
    return swept[0], swept[1]


def _found(job: DatabaseJob, *, prefix: str) -> tuple[list[Leftover], list[Leftover]]:
    return (
        find_leftovers(job.source, job.database.source_name, prefix=prefix),
        find_leftovers(job.target, job.database.target_name, prefix=prefix),
    )


def _remove_everything(
    job: DatabaseJob, engine: ApplyEngine | None, *, is_complete: bool, reopen_left: bool
) -> tuple[Leftover, ...]:
    job = _with_own_reins(job)
    there, back = _names(job)
    sweep = _Sweep(job.control)
    sweep.do(lambda: _take_over(job))
    sweep.do(lambda: _reopen(job, left_too=reopen_left))
    if engine is not None:
        sweep.do(engine.stop)
        sweep.do(engine.remove)
    source, target = job.database.source_name, job.database.target_name
    for name in (there, back):
        sweep.do(lambda name=name: drop_subscription(job.target, target, name))  # type: ignore[misc]
        sweep.do(lambda name=name: drop_subscription(job.source, source, name))  # type: ignore[misc]
        sweep.do(lambda name=name: _stop_publishing(job.source, source, name))  # type: ignore[misc]
        sweep.do(lambda name=name: _stop_publishing(job.target, target, name))  # type: ignore[misc]
    sweep.do(lambda: wake_old_source(job))
    sweep.do(lambda: take_whole_rows_back(job))
    sweep.do(lambda: drop_our_heartbeat(job, prefix=there))
    if is_complete:
        sweep.do(lambda: forget_notes(job))
    return _tell(job, sweep, is_complete=is_complete)


def _take_over(job: DatabaseJob) -> None:
    """A run that failed before it prepared the target, and a clean-up by hand, do not own its notes yet."""
    with job.target.connected(job.database.target_name, purpose="take", read_only=False) as target:
        if job.markers.are_ours(target):
            job.markers.take_over(target)


def _with_own_reins(job: DatabaseJob) -> DatabaseJob:
    """A cancel must not stop what follows from it; a lost lease must."""
    try:
        job.control.check()
    except LeaseLost:
        raise
    except Stopped:
        return job.under(Control(fence=job.control.fence))
    return job


def _names(job: DatabaseJob) -> tuple[str, str]:
    name = replication_name(job.spec.id, database_id=job.database.id)
    return name, reverse_name(name)


def _reopen(job: DatabaseJob, *, left_too: bool) -> None:
    """Open what a fence of ours closed, on whichever server; the database that a complete cutover left if told so."""
    notes = CutoverNotes(job)
    for direction, way in ((Direction.FORWARD, job), (Direction.REVERSE, reversed_job(job))):
        note = notes.read_fence(direction)
        if note is None:
            continue
        database = way.database.source_name
        if not left_too and notes.read_opened(direction) is not None:
            _tell_closed(job, direction, note)
            continue
        restore_noted(way, note.access)
        notes.forget_fence(direction)
        job.note(f"{database} on {way.source.endpoint.label} is open again, as it was before {note.closed_at}.")


def _tell_closed(job: DatabaseJob, direction: Direction, note: FenceNote) -> None:
    """A cutover without a way back has told it at once; going back has, too."""
    if job.spec.online.fall_back and direction is Direction.FORWARD:
        database = job.database.source_name
        job.note(
            f"{database} on {job.source.endpoint.label} stays closed, so that nobody writes there by mistake. "
            f"{how_to_reopen(database, note.access)}"
        )


def drop_our_heartbeat(job: DatabaseJob, *, prefix: str) -> None:
    """Another migration of the same database may beat in the same schema by now."""
    with job.source.connected(job.database.source_name, purpose="look", read_only=True) as connection:
        is_ours = not schema_is_of_another(connection, prefix=prefix)
    if is_ours:
        drop_heartbeat(job.source, job.database.source_name)


def _stop_publishing(server: Server, database: str, name: str) -> None:
    drop_slot(server, database, name)
    drop_publications(server, database, name)


def _tell(job: DatabaseJob, sweep: _Sweep, *, is_complete: bool) -> tuple[Leftover, ...]:
    there, _ = _names(job)
    found = find_leftovers(job.source, job.database.source_name, prefix=there)
    on_target = find_leftovers(job.target, job.database.target_name, prefix=there)
    if not is_complete:  # the notes say that the target is incomplete
        on_target = [each for each in on_target if (each.kind, each.name) != ("schema", OUR_SCHEMA)]
    left = (*found, *on_target)
    for each in left:
        _find(job, each, sweep.refusals)
    if not left:
        labels = f"{job.source.endpoint.label} and {job.target.endpoint.label}"
        job.note(f"Nothing that the portal made for replication is left on {labels}.")
        for words in sweep.refusals:
            job.note(f"While cleaning up: {words}", level=Level.WARNING)
    return left


def _find(job: DatabaseJob, left: Leftover, refusals: Sequence[str]) -> None:
    job.find(
        LEFT_BEHIND,
        Level.WARNING,
        f"{left.kind} {left.name}",
        f"It is still on {left.server}, in {left.database}.",
        why="A slot holds back the server's log until its disk is full; the rest is clutter.",
        fix="Clean up again when the server can be reached, or run the script there.",
        fix_sql=left.statement,
        server_message=left.server_message or "\n".join(refusals),
        phase="clean-up",
    )


def words_for_a_person(job: DatabaseJob) -> str:
    """Return how to reopen by hand what is closed now; empty where nothing is, or where it cannot be seen."""
    notes = CutoverNotes(job)
    return " ".join(
        how_to_reopen(way.database.source_name, note.access)
        for direction, way in ((Direction.FORWARD, job), (Direction.REVERSE, reversed_job(job)))
        if (note := notes.read_fence(direction)) is not None
    )
