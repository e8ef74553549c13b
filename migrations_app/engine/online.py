"""Move databases online: copy each in the snapshot of its slot, follow its changes, cut over when people ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import gettempdir

from migrations_app.engine.control import Control
from migrations_app.engine.crew import Crew
from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.events import DatabaseStarted, Note
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.migrating import (
    DatabaseOutcome,
    Outcome,
    Servers,
    bring_roles,
    end_older_runs,
    failed,
    job_of,
    run_tag,
    servers_of,
    validate_first,
)
from migrations_app.engine.patience import passes, patiently
from migrations_app.engine.portal_disk import portal_disk_explained
from migrations_app.engine.ports import PartQueue, Reporter, Requests
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication import clean_up as cleaning
from migrations_app.engine.replication.clean_up import Swept
from migrations_app.engine.replication.follow_note import FollowNote, look_up_note
from migrations_app.engine.replication.follower import Follower
from migrations_app.engine.replication.logical_slot import drop_slot
from migrations_app.engine.replication.nothing_to_copy import NothingToCopy
from migrations_app.engine.replication.phases import Phase, has_target, look_up_phase
from migrations_app.engine.replication.publication import drop_publications
from migrations_app.engine.replication.removal import drop_subscription
from migrations_app.engine.replication.reverse_link import reverse_name
from migrations_app.engine.replication.starting import begins_anew, copy_and_follow
from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import DatabaseSpec, MigrationOption, MigrationSpec
from migrations_app.engine.target.database import prepare_target

LOOK_AGAIN_SECONDS = 10.0
SETTLE_SECONDS = 0.2


def migrate(
    spec: MigrationSpec,
    *,
    reporter: Reporter,
    control: Control,
    queue_for: Callable[[DatabaseSpec], PartQueue],
    work_dir: Path,
    requests: Requests,
) -> Outcome:
    """Validate, copy one database after the other, follow those that are copied, and do what people ask of them.

    Returns when every database has ended; or earlier, with ``look_again_seconds``, when those that have not are applied
    by their target alone and wait for their cutover. Called again it goes on where it was, within seconds. A database
    that fails does not stop the others. Raises what ``offline.migrate`` raises.
    """
    servers = servers_of(spec, control)
    try:
        end_older_runs(spec, servers)
    except (ConnectionLost, ConnectionFailed) as error:
        return _look_again(error, reporter=reporter, control=control)
    validate_first(spec, servers, reporter)
    if spec.option is MigrationOption.VALIDATE:
        return Outcome(())
    jobs = [
        job_of(
            spec,
            database,
            _servers_of_database(spec, control, number),
            reporter=reporter,
            control=control,
            queue_for=queue_for,
            work_dir=work_dir,
        )
        for number, database in enumerate(spec.databases, start=1)
    ]
    try:
        new = [job.database.id for job in jobs if _is_to_be_copied(job)]
    except (ConnectionLost, ConnectionFailed) as error:
        return _look_again(error, reporter=reporter, control=control)
    if new:
        bring_roles(spec, servers, reporter=reporter, control=control)
    with control.child() as part, Crew(part) as crew:
        followed = [_Followed(job.under(part), requests, is_new=job.database.id in new) for job in jobs]
        for each in followed:
            each.copy()
            crew.start(f"follow {each.job.database.source_name}", each.follow)
        return _until_ended_or_quiet(followed, part)


def clean_up(spec: MigrationSpec, *, reporter: Reporter, control: Control) -> None:
    """Remove from both servers what follows changes, after a failure or a cancel; the copies stay on the target.

    May be repeated. A server that is away does not stop the rest. Raises ``EngineError`` for what is left.
    """
    left: list[str] = []
    for job in _jobs_to_clean_up(spec, reporter=reporter, control=control):
        if not job.database.finished:
            left += _clean_up(job)
    if left:
        raise EngineError(
            f"Something of the migration is left: {'; '.join(left)}.",
            hint="The findings hold the statements that remove it; or clean up again.",
        )


def clean_up_again(spec: MigrationSpec, *, reporter: Reporter, control: Control) -> list[tuple[DatabaseSpec, Swept]]:
    """Remove from both servers what may be left after the end, as a person asked; return what was found and is left.

    May be repeated. A server that is away does not stop the rest; what could not be looked at is part of the answer.
    An old source that a cutover closed stays closed, and so does the copy on the target.
    """
    jobs = _jobs_to_clean_up(spec, reporter=reporter, control=control)
    return [(job.database, swept) for job in jobs for swept in cleaning.clean_up_again(job)]


def _jobs_to_clean_up(spec: MigrationSpec, *, reporter: Reporter, control: Control) -> Iterator[DatabaseJob]:
    for number, database in enumerate(spec.databases, start=1):
        yield job_of(
            spec,
            database,
            _servers_of_database(spec, control, number),
            reporter=reporter,
            control=control,
            queue_for=lambda _: NothingToCopy(),
            work_dir=Path(gettempdir()),
        )


def _clean_up(job: DatabaseJob) -> tuple[str, ...]:
    """Where there is no target database, nothing was made, or somebody dropped it: then only the source is swept."""
    if has_target(job):
        return tuple(str(each) for each in cleaning.clean_up(job))
    database, name = job.database.source_name, replication_name(job.spec.id, database_id=job.database.id)
    drop_subscription(job.source, database, reverse_name(name))
    drop_slot(job.source, database, name)
    drop_publications(job.source, database, name)
    cleaning.drop_our_heartbeat(job, prefix=name)
    return ()


def _servers_of_database(spec: MigrationSpec, control: Control, number: int) -> Servers:
    """Each database has sessions of a name of its own, so that one attempt can end those of the one before."""
    tag = f"{run_tag(spec.id, fence=control.fence)}.{number}"
    return Servers(Server(spec.source, tag=tag, control=control), Server(spec.target, tag=tag, control=control))


def _look_again(error: EngineError, *, reporter: Reporter, control: Control) -> Outcome:
    """A later run finds a server away: what is followed waits in its slot, and nobody need give up for that."""
    control.check()
    if control.fence < 2 or not passes(error):
        raise error
    reporter.report(Note(f"{error.message} Looking again in {LOOK_AGAIN_SECONDS:.0f} s.", level=Level.WARNING))
    return Outcome((), look_again_seconds=LOOK_AGAIN_SECONDS)


def _is_to_be_copied(job: DatabaseJob) -> bool:
    return not job.database.finished and look_up_phase(job) is Phase.COPYING


class _Followed:
    """One database: copied in the caller's thread, then followed in one of its own."""

    def __init__(self, job: DatabaseJob, requests: Requests, *, is_new: bool) -> None:
        self.job = job
        self._is_new = is_new
        self.outcome: DatabaseOutcome | None = None
        self._requests = requests
        self._follower: Follower | None = None
        self._is_over = threading.Event()

    @property
    def is_over(self) -> bool:
        """True when the thread has returned, with an outcome or released."""
        return self._is_over.is_set()

    @property
    def is_quiet(self) -> bool:
        """True when nobody of us is needed."""
        return self._follower is not None and self._follower.is_quiet and not self._is_asked()

    def _is_asked(self) -> bool:
        return self._requests.pending(self.job.database.id) is not None

    def release(self) -> None:
        """Let the thread return soon."""
        if self._follower is not None:
            self._follower.release()

    def copy(self) -> None:
        """Bring the database to where it can be followed."""
        if self.job.database.finished:
            self._finish_again()
            self.outcome = DatabaseOutcome(self.job.database.id, self.job.database.finished)
            return
        self.outcome = self._or_failed(self._copy)

    def _finish_again(self) -> None:
        """A database that was finished earlier may be in use, renamed or gone by now; that is its owner's business."""
        job = self.job
        try:
            note = look_up_note(job) if has_target(job) else None
            if note is not None:
                Follower(job, note, self._requests).finish_again()
        except Stopped:
            raise
        except EngineError as error:
            job.note(f"{job.database.target_name} was finished before and cannot be reached now: {error.message}")

    def follow(self) -> None:
        """Follow it until it has ended, or nobody is needed."""
        try:
            if self._follower is not None:
                self.outcome = self._or_failed(self._follower.run) or self._follower.outcome
        finally:
            self._is_over.set()
            self.job.queue.close_thread()

    def _or_failed(self, work: Callable[[], None]) -> DatabaseOutcome | None:
        """A failure that is expected ends the database and not the others."""
        try:
            with portal_disk_explained():
                work()
        except Stopped:
            raise
        except EngineError as error:
            return failed(self.job, error)
        return None

    def _copy(self) -> None:
        job = self.job
        patient = partial(patiently, control=job.control, reporter=job.reporter, database_id=job.database.id)
        try:
            prepared, note = patient(lambda: _copied(job))
        except (ConnectionLost, ConnectionFailed) as error:
            if self._is_new:
                raise
            _look_again(error, reporter=job.reporter, control=job.control)
            return
        self._follower = Follower(prepared, note, self._requests)


def _copied(job: DatabaseJob) -> tuple[DatabaseJob, FollowNote]:
    """The recipe up to the first change that is applied; what is done already is not done again."""
    job.losses.clear()
    for server in (job.source, job.target):
        server.terminate_sessions(f"{server.tag}/")  # an attempt whose connections went silent may still hold locks
    phase = look_up_phase(job)
    if phase is Phase.COPYING:
        job.reporter.report(DatabaseStarted(job.database.id))
    job = prepare_target(job)
    if phase is Phase.COPYING or (phase is Phase.FOLLOWING and begins_anew(job)):
        copy_and_follow(job)
    note = look_up_note(job)
    if note is None:
        raise AssertionError("a database that is followed has a note of how")
    return replace(job, losses=list(note.losses)), note


def _until_ended_or_quiet(followed: list[_Followed], control: Control) -> Outcome:
    wait = threading.Event()
    while not all(each.is_over for each in followed):
        control.check()
        if all(each.is_over or each.is_quiet for each in followed):
            for each in followed:
                each.release()
        wait.wait(SETTLE_SECONDS)
    ended = tuple(each.outcome for each in followed if each.outcome is not None)
    return Outcome(ended, look_again_seconds=None if len(ended) == len(followed) else LOOK_AGAIN_SECONDS)
