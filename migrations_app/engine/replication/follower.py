"""Keep one database followed: look, do what people ask, cut over, and follow back; until it has ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.events import (
    CutoverEnded,
    DatabaseFinished,
    Direction,
    ReplicationStarted,
    Step,
    StepStarted,
)
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.migrating import NOT_VERIFIED, DatabaseOutcome
from migrations_app.engine.patience import WENT_WELL_SECONDS, passes
from migrations_app.engine.ports import PersonRequest, RequestKind, Requests
from migrations_app.engine.replication.alarms import Alarms
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.choosing import choose_back
from migrations_app.engine.replication.clean_up import finish
from migrations_app.engine.replication.cutover import cut_over, settle
from migrations_app.engine.replication.cutover_state import (
    is_cut_over,
    is_gone_back,
    is_interrupted,
    verified_at_cutover,
)
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.engines import make_engine
from migrations_app.engine.replication.fall_back import followed_back, go_back, why_not_begun
from migrations_app.engine.replication.follow_note import FollowNote, write_note
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.logical_slot import read_slot
from migrations_app.engine.replication.mending import mend
from migrations_app.engine.replication.old_source import OldSourceWatch
from migrations_app.engine.replication.plan import ReplicationPlan
from migrations_app.engine.replication.plan_changes import PlanChanged
from migrations_app.engine.replication.rehearsal import rehearse
from migrations_app.engine.replication.reverse_link import reverse_of, reverse_plan
from migrations_app.engine.replication.source_identity import is_another, read_source_identity
from migrations_app.engine.replication.starting import link_of
from migrations_app.engine.replication.watching import SAMPLE_SECONDS, Watcher, watching
from migrations_app.engine.spec import VerificationLevel

ASK_SECONDS = 0.5
OLD_SOURCE_SECONDS = 5.0
FIRST_SAMPLE_SECONDS, FIRST_SECONDS = 0.4, 5.0  # who only looks whether all is well should not wait long
PAUSES_SECONDS = (1, 2, 4, 8, 15, 30)
NOT_YET = "The database was not cut over yet."
OVER = "The database was cut over already."
DONE_BEFORE = "It was done when a run before this one was interrupted."

logger = logging.getLogger(__name__)

# What follows where a direction is over; done when nobody watches it any more, so that an error there is not its own.
Next = Callable[[], DatabaseOutcome | None]
Serve = Callable[[PersonRequest, Watcher], Next | None]


class Refused(EngineError):
    """What was asked does not fit how far the database is."""


@dataclass
class Follower:
    """One database on its way; ``run`` is called in a thread of its own and returns when the database has ended.

    ``is_quiet``: nobody of us is needed for now. Then ``release`` lets ``run`` return without an outcome.
    """

    job: DatabaseJob
    note: FollowNote
    requests: Requests
    outcome: DatabaseOutcome | None = None
    is_quiet: bool = False

    def __post_init__(self) -> None:
        self._released = threading.Event()
        self._alarms = Alarms(self.job)

    def release(self) -> None:
        """Let ``run`` return soon."""
        self._released.set()

    def run(self) -> None:
        """Follow until the end; wait as long as it takes for a server that is away.

        Raises ``EngineError`` where the database cannot be followed any more.
        """
        pauses = iter(PAUSES_SECONDS)
        while not self._released.is_set():
            began_at = time.monotonic()
            try:
                self.outcome = self._follow()
                return
            except PlanChanged as change:
                self._follow_by(change.plan)
            except (ConnectionLost, ConnectionFailed) as error:
                self.is_quiet = False
                if time.monotonic() - began_at > WENT_WELL_SECONDS:
                    pauses = iter(PAUSES_SECONDS)
                self._wait_for_server(error, next(pauses, PAUSES_SECONDS[-1]))

    def _follow(self) -> DatabaseOutcome | None:
        """One attempt: settle what was interrupted, then go on where the database is."""
        following = self._forward()
        self._settle(following)
        if is_cut_over(self.job):
            return self._after_cutover(following)
        try:
            self._begin(following)
            then = self._keep(following, Direction.FORWARD, self._serve_forward)
        finally:
            following.engine.stop()
        return None if then is None else then()

    def finish_again(self) -> None:
        """Remove what is left where a run was interrupted after it had stored that the database is finished."""
        request = self.requests.pending(self.job.database.id)
        is_asked = request is not None and request.kind is RequestKind.FINISH
        finish(self._forward(), reopen_left=is_asked and request is not None and request.reopen_source)
        if request is not None and is_asked:
            self.requests.end(request, succeeded=True)

    def _forward(self) -> Following:
        link = link_of(self.job, self.note.plan)
        engine = make_engine(self.job, link, self.note.engine, made_before=self.note.apply_began)
        return Following(self.job, self.note.plan, link, engine)

    def _begin(self, following: Following) -> None:
        if not self.note.apply_began:
            self.job.reporter.report(StepStarted(Step.CATCH_UP, self.job.database.id))
        if not self.note.is_paused:
            following.engine.start()
        self._remember(replace(self.note, apply_began=True))

    def _follow_by(self, plan: ReplicationPlan) -> None:
        """Somebody changed definitions, and both sides have what that takes: go on with the plan as it is now."""
        self._remember(replace(self.note, plan=plan))
        again = ", ".join(".".join(name) for name in plan.again)
        words = f" Copied again at the cutover, since rows may differ: {again}." if again else ""
        self.job.note(f"{len(plan.followed)} tables are followed, as they are defined now.{words}")

    def _remember(self, note: FollowNote) -> None:
        if note != self.note:
            write_note(self.job, note)
            self.note = note

    # --- the loop ---

    def _keep(self, following: Following, direction: Direction, serve: Serve) -> Next | None:
        """Watch one direction until it is over, or released: then None."""
        note, is_forward = self.note, direction is Direction.FORWARD
        with watching(
            following,
            self._alarms,
            direction=direction,
            source_identity=note.source_identity if is_forward else "",
            published=note.published if is_forward else (),
        ) as watcher:
            watcher.is_paused = self.note.is_paused
            return self._look_and_serve(watcher, serve)

    def _wait_for_server(self, error: ConnectionLost | ConnectionFailed, seconds: int) -> None:
        self.job.control.check()
        if not passes(error):
            raise error
        said = f" The server said: {error.server_message}" if error.server_message else ""
        self.job.note(f"{error.message} Looking again in {seconds} s.{said}", level=Level.WARNING)
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        """Wait, unless somebody asks for something."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._released.is_set():
            self.job.control.check()
            if self.requests.pending(self.job.database.id) is not None:
                return
            self._released.wait(min(ASK_SECONDS, left))

    def _look_and_serve(self, watcher: Watcher, serve: Serve) -> Next | None:
        began_at = time.monotonic()
        old_source = _OldSource(self.job) if watcher.direction is Direction.REVERSE else None
        while not self._released.is_set():
            self.job.control.check()
            request = self.requests.pending(self.job.database.id)
            if request is not None:
                self.is_quiet = False
                if (then := self._answer(request, watcher, serve)) is not None:
                    return then
                continue
            watcher.look()
            if old_source is not None:
                old_source.look_now_and_then()
            native = watcher.following.engine.kind is ApplyKind.SERVER_TO_SERVER
            # Somebody has to look who still comes to the old source.
            self.is_quiet = native and watcher.is_caught_up and not watcher.differences and old_source is None
            is_first = not watcher.is_caught_up and time.monotonic() - began_at < FIRST_SECONDS
            self._wait(FIRST_SAMPLE_SECONDS if is_first else SAMPLE_SECONDS)
        return None

    def _answer(self, request: PersonRequest, watcher: Watcher, serve: Serve) -> Next | None:
        """An error that is expected ends the request, and not the migration."""
        try:
            return serve(request, watcher)
        except Stopped:
            raise
        except EngineError as error:
            self.requests.end(request, succeeded=False, message=_told(error))
            return None

    # --- before the cutover ---

    def _serve_forward(self, request: PersonRequest, watcher: Watcher) -> Next | None:
        match request.kind:
            case RequestKind.PAUSE | RequestKind.CONTINUE:
                self._rest(request, watcher)
            case RequestKind.MEND:
                self.requests.end(request, succeeded=True, message=_mended(watcher, request))
            case RequestKind.REHEARSE:
                self._end(request, rehearse(watcher.following, request), CutoverResult.REHEARSED)
            case RequestKind.CUTOVER:
                ended = cut_over(watcher.following, self._in_full_after_failover(request, watcher))
                self._end(request, ended, CutoverResult.DONE)
                if ended.result is CutoverResult.DONE:
                    self._remember(replace(self.note, is_paused=False))
                    return partial(self._after_cutover, watcher.following)
            case _:
                raise Refused(NOT_YET)
        return None

    def _in_full_after_failover(self, request: PersonRequest, watcher: Watcher) -> PersonRequest:
        """What a failover lost of the source may be on the target, or the other way round: only rows tell."""
        now = read_source_identity(watcher.publisher)
        if request.verification is VerificationLevel.FULL or not is_another(self.note.source_identity, now):
            return request
        self.job.note("The source failed over since the copy: every row is compared, whatever was asked for.")
        return replace(request, verification=VerificationLevel.FULL)

    def _rest(self, request: PersonRequest, watcher: Watcher) -> None:
        is_paused, is_back = request.kind is RequestKind.PAUSE, watcher.direction is Direction.REVERSE
        self._remember(replace(self.note, is_paused=is_paused, back_began=self.note.back_began or is_back))
        watcher.is_paused = is_paused
        if is_paused:
            watcher.following.engine.pause()
        elif not watcher.is_drifting:
            watcher.following.engine.start()
        self.requests.end(request, succeeded=True)

    def _end(self, request: PersonRequest, ended: CutoverEnded, wanted: CutoverResult) -> None:
        message = " ".join(part for part in (ended.message, ended.hint) if part)
        self.requests.end(request, succeeded=ended.result is wanted, message=message)

    def _settle(self, following: Following) -> None:
        """Bring to an end what a run before this one was interrupted in, and the request with it."""
        for direction in Direction:
            if not is_interrupted(self.job, direction):
                continue
            way = following if direction is Direction.FORWARD else self._back(following)
            ended, request = settle(way, direction), self.requests.pending(self.job.database.id)
            if ended and request and request.kind in (RequestKind.CUTOVER, RequestKind.GO_BACK):
                self._end(request, ended, CutoverResult.DONE)

    # --- after it ---

    def _after_cutover(self, following: Following) -> DatabaseOutcome | None:
        if is_gone_back(self.job):
            self._end_what_was_done(RequestKind.GO_BACK)
            return self._left(following)
        self._end_what_was_done(RequestKind.CUTOVER)
        if not self.job.spec.online.fall_back:
            return self._finish(following, reopen_left=False)
        self._choose_back(following)
        back = self._back(following)
        try:
            back = self._begin_back(following, back)
            self._tell_way_back(back)
            if not self.note.is_paused:
                back.engine.start()
                self._remember(replace(self.note, back_began=True))
            then = self._keep(back, Direction.REVERSE, self._serve_back)
        finally:
            back.engine.stop()
        return None if then is None else then()

    def _end_what_was_done(self, kind: RequestKind) -> None:
        """A run may have died after it had cut over, and before it said so."""
        request = self.requests.pending(self.job.database.id)
        if request is not None and request.kind is kind:
            self.requests.end(request, succeeded=True, message=DONE_BEFORE)

    def _begin_back(self, following: Following, back: Following) -> Following:
        """What the first start shows not to work after all goes through the portal."""
        if self.note.is_paused or self.note.back_began or not (why := why_not_begun(back)):
            return back
        reason = f"The portal applies the changes, since {why}"
        self._remember(replace(self.note, back=ApplyKind.THROUGH_PORTAL, back_reason=reason))
        return self._back(following)

    def _tell_way_back(self, back: Following) -> None:
        link = back.link
        with link.publisher.connected(link.publisher_database, purpose="look", read_only=True) as publisher:
            slot = read_slot(publisher, link.name)
        self.job.reporter.report(
            ReplicationStarted(
                self.job.database.id,
                Direction.REVERSE,
                back.engine.kind,
                self.note.back_reason,
                slot=link.name,
                tables=len(link.tables),
                begins_at_lsn=slot.confirmed_lsn if slot is not None else 0,
            )
        )

    def _choose_back(self, following: Following) -> None:
        """Once, while the application is at work on the new target already; what was begun is gone on with."""
        if self.note.back is None:
            chosen = choose_back(self.job, reverse_of(following.link, following.plan), reverse_plan(following.plan))
            self._remember(replace(self.note, back=chosen.kind, back_reason=chosen.reason))

    def _back(self, following: Following) -> Following:
        kind, made_before = self.note.back or ApplyKind.THROUGH_PORTAL, self.note.back_began
        return followed_back(following, lambda link: make_engine(self.job, link, kind, made_before=made_before))

    def _serve_back(self, request: PersonRequest, watcher: Watcher) -> Next | None:
        match request.kind:
            case RequestKind.PAUSE | RequestKind.CONTINUE:
                self._rest(request, watcher)
            case RequestKind.GO_BACK:
                ended = go_back(watcher.following, request)
                self._end(request, ended, CutoverResult.DONE)
                return partial(self._left, watcher.following) if ended.result is CutoverResult.DONE else None
            case RequestKind.MEND:
                self.requests.end(request, succeeded=True, message=_mended(watcher, request))
            case RequestKind.REHEARSE:
                ended = rehearse(watcher.following, request, back=True)
                self._end(request, ended, CutoverResult.REHEARSED)
            case RequestKind.FINISH:
                outcome = self._finish(watcher.following, reopen_left=request.reopen_source)
                self.requests.end(request, succeeded=True)
                return lambda: outcome
            case _:
                raise Refused(OVER)
        return None

    def _finish(self, following: Following, *, reopen_left: bool) -> DatabaseOutcome:
        """The report that the database is finished is stored before the notes that make it recognizable go."""
        verified, losses = verified_at_cutover(self.job), self.note.losses
        self.job.reporter.report(DatabaseFinished(self.job.database.id, verified, losses=losses))
        finish(following, reopen_left=reopen_left)
        return DatabaseOutcome(self.job.database.id, verified, losses=losses)

    def _left(self, following: Following) -> DatabaseOutcome:
        """The source is in use again; what is on the target stays there as a copy of that moment."""
        finish(following, reopen_left=False)
        return DatabaseOutcome(self.job.database.id, NOT_VERIFIED)


class _OldSource:
    """Who still comes to the old source while the way back is open; one that cannot be looked at has no visitors."""

    def __init__(self, job: DatabaseJob) -> None:
        self._watch = OldSourceWatch(job, is_subscriber=True)
        self._looked_at = -OLD_SOURCE_SECONDS

    def look_now_and_then(self) -> None:
        if time.monotonic() - self._looked_at < OLD_SOURCE_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            self._watch.look()
        except (ConnectionLost, ConnectionFailed) as error:
            logger.info("the old source cannot be looked at: %s", error)


def _mended(watcher: Watcher, request: PersonRequest) -> str:
    return mend(watcher, request.subject, may_drop=request.may_drop)


def _told(error: EngineError) -> str:
    server = f" The server said: {error.server_message}" if error.server_message else ""
    return f"{error.message}{server} {error.hint}".strip()
