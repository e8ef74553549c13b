"""Apply through the portal: read the slot here, write to the subscriber, with the position in the same transaction.

Needs no route between the servers, no superuser and no subscription; works in both directions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.crew import Crew
from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.events import Note
from migrations_app.engine.findings import Level
from migrations_app.engine.patience import PASSING_KINDS
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.replication_stream import ReplicationStream
from migrations_app.engine.replication.applier import Applier
from migrations_app.engine.replication.apply import ApplyKind, ApplyState, ApplyStatus
from migrations_app.engine.replication.batch import Handover
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.replication.position import Position, Reached, position_is_gone
from migrations_app.engine.replication.receiver import Receiver, Wake
from migrations_app.engine.replication.slot import check_slot, end_older_reader
from migrations_app.engine.replication.subscriber_table import DoesNotFit

logger = logging.getLogger(__name__)

MEMORY_BYTES = 64 * 1024 * 1024
BATCHES_IN_MEMORY = 8  # one is read, some wait, one is applied, and its parameters are written
PAUSES_SECONDS = (1, 2, 4, 8, 15, 30)
POLL_SECONDS = 0.5
STREAMING_SINCE = 140000
# SQLSTATE classes and codes of what passes by itself: deadlocks, locks, canceled statements, a server without room for
# one more session, a server that is read-only while it changes its role.
PASSING_SQLSTATES = ("40", "55P03", "57014", "53300", "53200", "25006")
NOT_SILENCED = (
    "{user} may not set session_replication_role where the changes arrive: triggers and foreign keys act there once "
    "more on each row, and a row to delete that is gone already is taken for the work of a cascade. "
    'On PostgreSQL 15 and newer: GRANT SET ON PARAMETER session_replication_role TO "{user}".'
)


class ThroughPortal:
    """An apply engine of two threads: one reads and answers the publisher, the other writes.

    ``memory_bytes`` bounds what is held of the stream, in about as many bytes of this process. ``streaming``: let
    publishers since 14 send large transactions before their end, which are kept in files in ``spill_folder``; else the
    publisher keeps them on its own disk and sends them when they are committed.
    """

    kind = ApplyKind.THROUGH_PORTAL

    def __init__(
        self,
        link: Link,
        *,
        control: Control,
        reporter: Reporter | None = None,
        database_id: str = "",
        memory_bytes: int = MEMORY_BYTES,
        streaming: bool = False,
        spill_folder: Path | None = None,
    ) -> None:
        self._link = link
        self._control = control
        self._reporter = reporter
        self._database_id = database_id
        self._streaming = streaming
        self._spill_folder = spill_folder
        self._batch_bytes = max(memory_bytes // BATCHES_IN_MEMORY, 1)
        self._position = Position(slot=link.name, fence=link.fence)
        self._status = ApplyStatus(ApplyState.PAUSED)
        self._knows_position = False
        self._pausing = threading.Event()
        self._part: Control | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._wake: Wake | None = None
        self._told_not_silenced = False
        self._unfit: DoesNotFit | None = None

    # --- what others call ---

    def start(self) -> None:
        """Begin to apply, or go on; returns at once."""
        self._control.check()
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                if not self._pausing.is_set():
                    return
                thread = self._thread
            else:
                thread = None
        if thread is not None:
            self._join(thread)
        with self._lock:
            self._pausing.clear()
            self._unfit = None
            self._set(ApplyState.STARTING)
            self._part = Control(fence=self._link.fence)
            name = f"apply {self._link.publisher_database}"
            self._thread = threading.Thread(target=self._run, args=(self._part,), name=name, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Stop after the transaction in hand, and wait until that is so."""
        with self._lock:
            self._pausing.set()
            thread = self._thread
            if self._wake is not None:
                self._wake()
        if thread is not None:
            self._join(thread)
        with self._lock:
            if self._status.state is not ApplyState.BROKEN:
                self._set(ApplyState.PAUSED)

    def _join(self, thread: threading.Thread) -> None:
        while thread.is_alive():
            self._control.check()
            thread.join(POLL_SECONDS)

    def status(self) -> ApplyStatus:
        """Look how far it is; a later run reads that from the subscriber."""
        if not self._knows_position and self._thread is None:
            with self._subscriber(self._control) as connection:
                reached = self._position.read(connection)
            if reached is not None:
                self._reach(reached)
        with self._lock:
            return self._status

    def stop(self) -> None:
        """End both threads and their sessions at once; what was not committed is sent again later."""
        with self._lock:
            part, thread = self._part, self._thread
        if part is not None:
            part.stop(Stopped("The apply was stopped."))
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            if self._status.state is not ApplyState.BROKEN:
                self._set(ApplyState.PAUSED)

    def remove(self) -> None:
        """Stop, and drop our position on the subscriber. The slot is not touched."""
        self.stop()
        with self._subscriber(self._control) as connection:
            self._position.remove(connection)
        self._knows_position = False

    # --- the thread that keeps it going ---

    def _run(self, part: Control) -> None:
        """Apply until somebody pauses or stops it, or somebody must do something about an error."""
        try:
            with self._control.interruptible(lambda: part.stop(Stopped("The apply was stopped."))):
                self._keep_applying(part)
            self._set(ApplyState.PAUSED)
        except Stopped as error:
            if part.stopping or self._control.stopping:
                self._set(ApplyState.PAUSED)
            else:
                self._broken(error)  # a newer run owns the position
        except EngineError as error:
            self._broken(error)
        except Exception as error:
            logger.exception("the apply of %s ended by a bug", self._link.name)
            self._broken(EngineError("The apply ended by an error of the portal.", server_message=repr(error)))

    def _keep_applying(self, part: Control) -> None:
        pauses = iter(PAUSES_SECONDS)
        while not self._pausing.is_set():
            before = self._status.applied_lsn
            try:
                self._apply_once(part)
            except DoesNotFit as error:
                self._stop_at_the_place(error)
            except EngineError as error:
                part.check()
                if not _passes(error):
                    raise
                if self._status.applied_lsn != before:
                    pauses = iter(PAUSES_SECONDS)
                self._set(ApplyState.RECONNECTING, error)
                self._sleep(part, next(pauses, PAUSES_SECONDS[-1]))

    def _stop_at_the_place(self, error: DoesNotFit) -> None:
        """Everything before the first transaction that does not fit is to be applied, so go there and rest."""
        if self._unfit is not None and self._unfit.stop_before >= error.stop_before:
            raise error
        self._unfit = error

    def _sleep(self, part: Control, seconds: float) -> None:
        waited = 0.0
        while waited < seconds and not self._pausing.is_set():
            part.check()
            threading.Event().wait(min(POLL_SECONDS, seconds - waited))
            waited += POLL_SECONDS

    def _apply_once(self, part: Control) -> None:
        """Connect to both servers and apply until something ends it."""
        link = self._link
        with part.child() as control, self._subscriber(control) as connection, self._waking() as wake:
            publisher = link.publisher.under(control)
            slot = check_slot(publisher, link)
            if self._knows_position and self._position.read(connection) is None:
                raise position_is_gone()
            reached = self._position.take_over(connection, first_lsn=slot.confirmed_lsn)
            slot.must_not_be_ahead_of(reached.lsn, link)
            self._reach(reached)
            end_older_reader(publisher, link, slot)
            applier = Applier(
                connection,
                reached,
                position=self._position,
                encoding=link.encoding,
                codec=link.codec,
                check=control.check,
                passes_over=link.passes_over,
            )
            self._tell_whether_silent(applier)
            with ReplicationStream(
                publisher, link.publisher_database, slot=link.name, encoding=link.encoding
            ) as stream:
                stream.start(from_lsn=lsn_text(reached.lsn), options=self._options(stream))
                self._set(ApplyState.APPLYING)
                with control.child() as both, both.interruptible(lambda: connection.cancel_safe(timeout=3)):
                    self._work(both, stream=stream, applier=applier, first_lsn=reached.lsn, wake=wake)

    def _options(self, stream: ReplicationStream) -> dict[str, str]:
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in self._link.publications)
        if self._streaming and stream.server_version >= STREAMING_SINCE:
            return {"proto_version": "2", "publication_names": quoted, "streaming": "on"}
        return {"proto_version": "1", "publication_names": quoted}

    @contextmanager
    def _waking(self) -> Iterator[Wake]:
        wake = Wake()
        with self._lock:
            self._wake = wake
        try:
            yield wake
        finally:
            with self._lock:
                self._wake = None
            wake.close()

    def _work(
        self, control: Control, *, stream: ReplicationStream, applier: Applier, first_lsn: int, wake: Wake
    ) -> None:
        handover = Handover(self._batch_bytes * 2)
        receiver = Receiver(
            stream,
            handover=handover,
            first_lsn=first_lsn,
            codec=self._link.codec,
            batch_bytes=self._batch_bytes,
            control=control,
            wake=wake,
            applied_lsn=lambda: self._status.applied_lsn,
            pausing=self._pausing.is_set,
            spill_folder=self._spill_folder,
            stop_before=self._unfit.stop_before if self._unfit is not None else 0,
        )
        with control.interruptible(wake), Crew(control) as crew:
            crew.start("apply: read", receiver.run)
            crew.start("apply: write", lambda: self._write(control, handover, receiver, applier, wake))
        if receiver.has_stopped_before and self._unfit is not None:
            raise self._unfit

    def _write(self, control: Control, handover: Handover, receiver: Receiver, applier: Applier, wake: Wake) -> None:
        while not handover.finished:
            control.check()
            batch = handover.take(timeout_seconds=POLL_SECONDS)
            if batch is None:
                self._received(receiver.received_lsn)
                continue
            if applier.apply(batch):
                self._reach(applier.reached)
            handover.done()
            wake()

    # --- what is known ---

    @contextmanager
    def _subscriber(self, control: Control) -> Iterator[Connection]:
        server = self._link.subscriber.under(control)
        with server.connected(self._link.subscriber_database, purpose="apply", read_only=False) as connection:
            yield connection

    def _tell_whether_silent(self, applier: Applier) -> None:
        if applier.silent or self._told_not_silenced:
            return
        self._told_not_silenced = True
        message = NOT_SILENCED.format(user=self._link.subscriber.endpoint.user)
        logger.warning("%s: %s", self._link.name, message)
        if self._reporter is not None:
            self._reporter.report(Note(message, database_id=self._database_id, level=Level.WARNING))

    def _set(self, state: ApplyState, error: EngineError | None = None) -> None:
        with self._lock:
            self._status = replace(
                self._status,
                state=state,
                stopped_before_lsn=0,
                stopped_at_table=0,
                error=error.message if error else "",
                hint=error.hint if error else "",
                server_message=error.server_message if error else "",
            )

    def _broken(self, error: EngineError) -> None:
        with self._lock:
            self._set(ApplyState.BROKEN, error)
            if isinstance(error, DoesNotFit):
                place, table = error.stop_before, error.oid
                self._status = replace(self._status, stopped_before_lsn=place, stopped_at_table=table)

    def _reach(self, reached: Reached) -> None:
        with self._lock:
            tally = reached.tally
            self._knows_position = True
            self._status = replace(
                self._status,
                applied_lsn=reached.lsn,
                received_lsn=max(reached.lsn, self._status.received_lsn),
                inserts=tally.inserts,
                updates=tally.updates,
                deletes=tally.deletes,
                truncates=tally.truncates,
                transactions=tally.transactions,
            )

    def _received(self, lsn: int) -> None:
        with self._lock:
            self._status = replace(self._status, received_lsn=max(lsn, self._status.applied_lsn))


def _passes(error: EngineError) -> bool:
    """Tell whether an error goes away by itself, so that trying again is all there is to do."""
    if isinstance(error, ConnectionFailed):
        return error.kind in PASSING_KINDS or error.kind in ("unknown_host", "other")
    if isinstance(error, ConnectionLost):
        return True
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    return sqlstate.startswith(PASSING_SQLSTATES)
