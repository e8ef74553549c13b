"""Cut over: close the one database, prove that everything is on the other, open it; or be back where it began."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost, Stopped
from migrations_app.engine.events import (
    CutoverBegan,
    CutoverEnded,
    CutoverStepFinished,
    CutoverStepStarted,
    Direction,
)
from migrations_app.engine.patience import patiently
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication.crossing import Crossing, crossing_back, crossing_to_target
from migrations_app.engine.replication.cutover_notes import OpenedNote
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.engine.replication.database_access import DatabaseAccess
from migrations_app.engine.replication.draining import Mark, drain, set_mark
from migrations_app.engine.replication.fence import ClosedFence, closed_fence, note_access, reopen
from migrations_app.engine.replication.large_object_delta import bring_large_objects_in_step
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.replication.old_source_guards import noted_guards
from migrations_app.engine.replication.opening import open_entered, what_stays_closed
from migrations_app.engine.replication.phases import Phase
from migrations_app.engine.replication.proof import Proof, prove
from migrations_app.engine.replication.readiness import look_at_readiness
from migrations_app.engine.replication.removal import remove_link
from migrations_app.engine.replication.reverse_link import make_reverse, withdraw_reverse
from migrations_app.engine.replication.sequences_ahead import SequencesSet, set_sequences
from migrations_app.engine.replication.table_fence import TableFence
from migrations_app.engine.replication.tables_again import copy_tables_again
from migrations_app.engine.replication.time_box import time_box
from migrations_app.engine.replication.views_again import RefreshedView, refresh_before, refresh_behind_fence
from migrations_app.engine.spec import Side
from migrations_app.engine.target.guards import Guard
from migrations_app.engine.validation.wording import counted

GUARD_EVERY_SECONDS = 1.0


class FenceLost(Stopped):
    """The session that keeps writers out ended before the other database was open."""


def cut_over(following: Following, request: PersonRequest) -> CutoverEnded:
    """Move a database's use from the source to the target; the steps are told as events, and so is the end.

    Any failure, a time that is up or a stop undoes everything, and the source is as it was. Afterwards the source
    stays closed. Raises the reason to stop, after the undo; ``LeaseLost`` without it: a newer run does it.
    """
    with_reverse = following.job.spec.online.fall_back
    return Attempt(crossing_to_target(following), request, with_reverse=with_reverse).run()


@dataclass
class Attempt:
    """One attempt in one direction. ``with_reverse``: changes of the entered database are kept for the way back."""

    crossing: Crossing
    request: PersonRequest
    with_reverse: bool = False
    _views: list[RefreshedView] = field(default_factory=list)
    _access: DatabaseAccess | None = None
    _closed_at: float = 0.0
    _mark: Mark = Mark(0, "")
    _is_passing: bool = False

    def run(self) -> CutoverEnded:
        """Carry it out, or undo it."""
        crossing, job = self.crossing, self.crossing.job
        job.reporter.report(CutoverBegan(job.database.id, crossing.direction, is_rehearsal=False))
        try:
            with (
                step(crossing, CutoverStep.READINESS) as said,
                time_box(job.control, seconds=job.spec.online.cutover_seconds) as control,
            ):
                said.append(self._prepare(crossing.under(control)))
            with time_box(job.control, seconds=job.spec.online.cutover_seconds) as control:
                note = self._behind_fence(crossing.under(control), control)
        except BaseException as error:  # noqa: BLE001 - undone, then raised again unless it is expected
            note_or_end = self._after_failure(error)
            if isinstance(note_or_end, CutoverEnded):
                return note_or_end
            note = note_or_end
        return finish_opening(crossing, note)

    def _prepare(self, crossing: Crossing) -> str:
        """What may take its time is done here, while the application works on."""
        readiness = look_at_readiness(crossing, with_reverse=self.with_reverse, level=self.request.verification)
        readiness.require()
        self._views = refresh_before(crossing.job)
        bring_large_objects_in_step(crossing)
        return f"{readiness.lag_bytes:,} bytes behind; {counted(readiness.sessions, 'session')} to be ended"

    def _behind_fence(self, crossing: Crossing, control: Control) -> OpenedNote:
        """The critical section; the downtime runs from its beginning to its end."""
        online = crossing.job.spec.online
        with ExitStack() as held:
            with step(crossing, CutoverStep.FENCE) as said:
                self._access = note_access(crossing)
                self._closed_at = time.monotonic()
                fence = held.enter_context(closed_fence(crossing, self._access))
                held.enter_context(guarded(fence.tables, control))
                self._mark = set_mark(crossing)
                said.append(_fence_words(fence, self._mark))
            with step(crossing, CutoverStep.DRAIN) as said:
                said.append(str(drain(crossing, self._mark, tell=crossing.job.note)))
            with step(crossing, CutoverStep.TABLES) as said:
                said.append(str(copy_tables_again(crossing)))
            with step(crossing, CutoverStep.SEQUENCES) as said:
                sequences = set_sequences(crossing, headroom=online.sequence_headroom)
                said.append(str(sequences))
            with step(crossing, CutoverStep.LARGE_OBJECTS) as said:
                said.append(str(bring_large_objects_in_step(crossing)))
            with step(crossing, CutoverStep.VIEWS) as said:
                said.append(refresh_behind_fence(crossing.job, self._views))
            with step(crossing, CutoverStep.VERIFY) as said:
                proof = self._prove(crossing, sequences, self._access)
                said.append(str(proof))
            if self.with_reverse:
                with step(crossing, CutoverStep.REVERSE) as said:
                    self.crossing.engine.pause()
                    said.append(make_reverse(crossing))
            crossing.job.reporter.report(CutoverStepStarted(crossing.job.database.id, CutoverStep.OPEN))
            fence.tables.check()
            return self._open(crossing, verified=proof.verified)

    def _prove(self, crossing: Crossing, sequences: SequencesSet, access: DatabaseAccess) -> Proof:
        """Going back, the old source is still closed as well, and what would act on applied rows sleeps there."""
        accesses, asleep = {Side.SOURCE: access}, list[Guard]()
        if crossing.direction is Direction.REVERSE:
            asleep = noted_guards(crossing.notes.job)
            if note := crossing.notes.read_fence(Direction.FORWARD):
                accesses[Side.TARGET] = note.access
        level = self.request.verification
        return prove(crossing, level=level, sequences=sequences, accesses=accesses, asleep=asleep)

    def _open(self, crossing: Crossing, *, verified: str) -> OpenedNote:
        hint = what_stays_closed(crossing)
        crossing.job.control.check()
        self._is_passing = True
        note = OpenedNote(time.monotonic() - self._closed_at, self._mark.lsn, verified, hint)
        crossing.notes.write_opened(crossing.direction, note)
        return note

    def _after_failure(self, error: BaseException) -> OpenedNote | CutoverEnded:
        """Undo everything, unless the point of no return was passed after all; raise what is not ours to end."""
        if _is_over(self.crossing.job.control):
            raise error
        # What stopped the run must not stop its undo.
        crossing = self.crossing.under(Control(fence=self.crossing.job.control.fence))
        if self._is_passing and (note := self._read_opened(crossing)):
            return note
        ended = self._undo(crossing, error)
        if not isinstance(error, EngineError):
            raise error
        self.crossing.job.control.check()
        return ended

    def _read_opened(self, crossing: Crossing) -> OpenedNote | None:
        """The connection may have been lost while the note was written: look whether it is there."""
        return patiently(
            lambda: crossing.notes.read_opened(crossing.direction),
            control=crossing.job.control,
            reporter=crossing.job.reporter,
            database_id=crossing.job.database.id,
        )

    def _undo(self, crossing: Crossing, error: BaseException) -> CutoverEnded:
        told = error if isinstance(error, EngineError) else EngineError(f"The portal failed: {error!r}")
        if self._access is not None:
            told = undo(crossing, told, access=self._access, restart=not self.crossing.job.control.stopping)
        downtime = time.monotonic() - self._closed_at if self._access is not None else 0.0
        return report_undone(crossing, told, downtime_seconds=downtime, fence_lsn=self._mark.lsn)


@contextmanager
def step(crossing: Crossing, which: CutoverStep) -> Iterator[list[str]]:
    """Tell that a step begins and, if it ends well, that it ended; with what was said inside as its detail."""
    job, said = crossing.job, list[str]()
    job.control.check()
    job.reporter.report(CutoverStepStarted(job.database.id, which))
    yield said
    job.reporter.report(CutoverStepFinished(job.database.id, which, detail="; ".join(said)))


@contextmanager
def guarded(fence: TableFence, control: Control) -> Iterator[None]:
    """Interrupt the work inside as soon as the session that holds the locks is lost."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(GUARD_EVERY_SECONDS):
            try:
                fence.ping()
            except EngineError as error:
                control.stop(FenceLost(error.message, hint=error.hint, server_message=error.server_message))
                return

    thread = threading.Thread(target=watch, name="fence-guard", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def undo(crossing: Crossing, error: EngineError, *, access: DatabaseAccess | None, restart: bool) -> EngineError:
    """Open the database that was left, take back what was made for the way back, let the apply go on.

    Returns what is to be told: ``error``, and what of the undo was refused.
    """
    try:
        with step(crossing, CutoverStep.UNDO) as said:
            is_forward = crossing.direction is Direction.FORWARD
            reopen(crossing, access, phase=Phase.FOLLOWING if is_forward else Phase.REVERSING)
            said.append(f"{crossing.left_words} is open as before")
            withdraw_reverse(crossing)
            if restart:
                crossing.engine.start()
    except LeaseLost:
        raise
    except EngineError as failure:
        return EngineError(
            f"{error.message} {failure.message}",
            hint=failure.hint or error.hint,
            server_message=failure.server_message or error.server_message,
        )
    return error


def report_undone(crossing: Crossing, error: EngineError, *, downtime_seconds: float, fence_lsn: int) -> CutoverEnded:
    """Report that the cutover did not happen, and why."""
    ended = CutoverEnded(
        crossing.job.database.id,
        CutoverResult.UNDONE,
        downtime_seconds,
        fence_lsn,
        message=error.message,
        hint=error.hint,
        server_message=error.server_message,
    )
    crossing.job.reporter.report(ended)
    return ended


def finish_opening(crossing: Crossing, note: OpenedNote) -> CutoverEnded:
    """Past the point of no return: open the database, tell it, and remove what carried the changes. May be repeated."""
    job = crossing.job
    open_entered(crossing)
    job.reporter.report(CutoverStepFinished(job.database.id, CutoverStep.OPEN, detail=f"{crossing.entered_words}"))
    ended = CutoverEnded(
        job.database.id,
        CutoverResult.DONE,
        note.downtime_seconds,
        note.fence_lsn,
        message=f"{crossing.entered_words} is open. It was closed for {note.downtime_seconds:.1f} s.",
        hint=note.hint,
    )
    job.reporter.report(ended)
    crossing.notes.write_told(crossing.direction)
    remove_link(crossing)
    return ended


def settle(following: Following, direction: Direction = Direction.FORWARD) -> CutoverEnded | None:
    """Bring to an end what an interrupted run left of a cutover in one direction; None where it left nothing.

    Before the point of no return everything is undone, after it the database is opened. To be called by every run
    before it does anything else, where ``CutoverNotes.interrupted`` names a direction; ``following`` is the one of
    that direction, whose engine need not be started.
    """
    crossing = crossing_to_target(following) if direction is Direction.FORWARD else crossing_back(following)
    if note := crossing.notes.read_opened(direction):
        return None if crossing.notes.was_told(direction) else finish_opening(crossing, note)
    fence = crossing.notes.read_fence(direction)
    if fence is None:
        return None
    interrupted = EngineError(
        f"The portal was interrupted while {crossing.left_words} was closed, at {fence.closed_at}.",
        hint="Nothing was lost. Cut over again when you like.",
    )
    told = undo(crossing, interrupted, access=fence.access, restart=False)
    seconds = (datetime.now(UTC) - datetime.fromisoformat(fence.closed_at)).total_seconds()
    return report_undone(crossing, told, downtime_seconds=seconds, fence_lsn=0)


def _fence_words(fence: ClosedFence, mark: Mark) -> str:
    tables = counted(fence.tables.table_count, "table")
    words = f"{counted(fence.sessions_ended, 'session')} ended, {tables} locked at {lsn_text(mark.lsn)}"
    if fence.tables.unlocked:
        names = ", ".join(table.label for table in fence.tables.unlocked[:5])
        words += f"; not locked for want of rights and watched instead: {names}"
    return words


def _is_over(control: Control) -> bool:
    """Tell whether a newer run owns the migration: what this one began, the newer one brings to an end."""
    try:
        control.check()
    except LeaseLost:
        return True
    except Stopped:
        return False
    return False
