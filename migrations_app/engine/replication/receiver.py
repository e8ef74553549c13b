"""Read a slot's stream and make batches of it; tell the server what is committed, whatever else takes long."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.postgres import replication_stream
from migrations_app.engine.postgres.replication_stream import HEADER_BYTES, ReplicationStream
from migrations_app.engine.replication import pgoutput
from migrations_app.engine.replication.batch import Batch, Handover
from migrations_app.engine.replication.pgoutput import Decoder
from migrations_app.engine.replication.spill import StreamedTransactions

CONFIRM_SECONDS = 1.0
IDLE_POSITION_SECONDS = 2.0
WAIT_SECONDS = 0.5
PATIENCE_SECONDS = 0.05
NEAR = 0.75  # of a batch: then it ends with the transaction
_BODY = HEADER_BYTES + 1
_PASSED_OVER = frozenset((pgoutput.ORIGIN, pgoutput.MESSAGE))  # a message was not meant for us
_COMMITS = (pgoutput.COMMIT, pgoutput.STREAM_COMMIT)
_CHANGES = frozenset((pgoutput.INSERT, pgoutput.UPDATE, pgoutput.DELETE, pgoutput.TRUNCATE))


class Wake:
    """Lets another thread end a wait."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self) -> None:
        with self._lock:
            if self._closed:
                return  # the descriptor may be somebody else's now
            try:
                os.write(self._writer, b"!")
            except BlockingIOError:
                return  # it is full of wishes already

    def drain(self) -> None:
        """Forget the wishes so far."""
        try:
            os.read(self.reader, 4096)
        except BlockingIOError:
            return  # nobody woke us

    def close(self) -> None:
        """Let go of the pipe."""
        with self._lock:
            self._closed = True
            os.close(self.reader)
            os.close(self._writer)


class Receiver:
    """Used by one thread; ``applied_lsn`` tells it what is committed on the subscriber.

    A transaction that ends at or before ``first_lsn`` was applied before and is passed over. Batches end at about
    ``batch_bytes``, at the end of a transaction where one is near. The transaction that ends at ``stop_before``, and
    what comes after it, is not read; 0 reads everything.
    """

    def __init__(
        self,
        stream: ReplicationStream,
        *,
        handover: Handover,
        first_lsn: int,
        codec: str,
        batch_bytes: int,
        control: Control,
        wake: Wake,
        applied_lsn: Callable[[], int],
        pausing: Callable[[], bool],
        spill_folder: Path | None = None,
        stop_before: int = 0,
    ) -> None:
        self._stop_before = stop_before
        self.has_stopped_before = False
        self._stream = stream
        self._handover = handover
        self._decoder = Decoder(codec)
        self._decode = self._decoder.change
        self._batch_bytes = batch_bytes
        self._control = control
        self._wake = wake
        self._applied_lsn = applied_lsn
        self._pausing = pausing
        self._first_lsn = first_lsn
        self._streamed = StreamedTransactions(spill_folder)
        self._batch = Batch()
        self._began_at = 0.0
        self._in_transaction = False
        self._skipping = False
        self._is_cut = False  # the subscriber's transaction is open until the end of the one that was cut
        self._answer_wanted = False
        self._confirmed = (0, 0)
        self._confirmed_at = 0.0
        self._idle_position_at = 0.0
        self.received_lsn = first_lsn

    def run(self) -> None:
        """Read until somebody pauses or stops the apply. Raises ``EngineError``."""
        try:
            self._run()
        finally:
            self._streamed.close()

    def _run(self) -> None:
        self._stream.watch(self._wake.reader)
        while not (self._pausing() and not self._in_transaction) and not self.has_stopped_before:
            self._control.check()
            self._read_what_is_there()
            self._between()
            self._stream.wait(WAIT_SECONDS)
            self._wake.drain()
        self._flush()
        self._handover.close()

    def _read_what_is_there(self) -> None:
        take, read, batch_bytes = self._stream.take, self._read, self._batch_bytes
        while (data := take()) is not None:
            if data[0] == replication_stream.XLOG_DATA:
                kind = data[HEADER_BYTES]
                read(data, kind)
                if self._batch.size_bytes >= batch_bytes:
                    self._flush()
                if (kind in _COMMITS and self._pausing()) or self.has_stopped_before:
                    return
            elif data[0] == replication_stream.KEEPALIVE:
                self._keep_alive(data)

    def _read(self, data: bytes, kind: int) -> None:
        if self._streamed.active:
            self._keep(data, kind)
        elif kind in _CHANGES:
            if self._skipping:
                return
            batch = self._batch
            batch.size_bytes += len(data) + self._decode(data, _BODY, kind, batch.changes).overhead_bytes
        elif kind == pgoutput.BEGIN:
            self._begin(pgoutput.begin_lsn(data, _BODY))
        elif kind == pgoutput.COMMIT:
            self._commit(pgoutput.commit_end_lsn(data, _BODY))
        elif kind == pgoutput.RELATION:
            self._decoder.relation(data, _BODY)
        elif kind == pgoutput.TYPE:
            self._decoder.type(data, _BODY)
        else:
            self._read_stream(data, kind)

    def _begin(self, lsn: int) -> None:
        """A transaction begins that ends at ``lsn``."""
        self._decoder.transaction_lsn = max(lsn, self._first_lsn)
        self._skipping = lsn < self._first_lsn
        self.has_stopped_before = 0 < self._stop_before <= lsn
        self._in_transaction = not self.has_stopped_before

    def _keep(self, data: bytes, kind: int) -> None:
        """Keep a message of a transaction that is not committed yet."""
        if kind == pgoutput.RELATION:
            self._streamed.describe(self._decoder.described(data, _BODY + 4))
        elif kind == pgoutput.TYPE:
            self._decoder.type(data, _BODY + 4)
        if kind == pgoutput.RELATION or kind in _CHANGES:
            self._streamed.write(pgoutput.xid(data, _BODY), kind, data[_BODY + 4 :])
        elif kind == pgoutput.STREAM_STOP:
            self._streamed.stop()

    def _read_stream(self, data: bytes, kind: int) -> None:
        if kind == pgoutput.STREAM_START:
            self._streamed.start(pgoutput.xid(data, _BODY))
        elif kind == pgoutput.STREAM_ABORT:
            self._streamed.abort(pgoutput.xid(data, _BODY), pgoutput.xid(data, _BODY + 4))
        elif kind == pgoutput.STREAM_COMMIT:
            xid = pgoutput.xid(data, _BODY)
            commit_lsn, end_lsn = pgoutput.stream_commit_lsns(data, _BODY)
            self._begin(commit_lsn)
            if self.has_stopped_before:
                return
            if not self._skipping:
                self._replay(xid, lsn=commit_lsn)
            self._decoder.adopt(self._streamed.described(xid), lsn=commit_lsn)
            self._streamed.forget(xid)
            self._commit(end_lsn)
        elif kind not in _PASSED_OVER:
            raise pgoutput.malformed(f"a message of the kind {chr(kind)!r}")

    def _replay(self, xid: int, *, lsn: int) -> None:
        """Read a transaction back that was kept until its end."""
        decoder = self._decoder.for_transaction(self._streamed.described(xid), lsn=lsn)
        for kind, body in self._streamed.messages(xid):
            if kind == pgoutput.RELATION:
                decoder.relation(body, 0)
                continue
            batch = self._batch
            batch.size_bytes += len(body) + decoder.change(body, 0, kind, batch.changes).overhead_bytes
            if batch.size_bytes >= self._batch_bytes:
                self._flush()
                self._confirm()
                self._control.check()

    def _commit(self, end_lsn: int) -> None:
        self._in_transaction = False
        self.received_lsn = max(self.received_lsn, end_lsn)
        if self._skipping:
            self._skipping = False
            return
        if not self._batch.transactions:
            self._began_at = time.monotonic()
        self._batch.transactions += 1
        self._batch.end_lsn = end_lsn
        if self._is_cut or self._batch.size_bytes >= self._batch_bytes * NEAR or self._is_waited_for():
            self._flush()

    def _is_waited_for(self) -> bool:
        waited = time.monotonic() - self._began_at > PATIENCE_SECONDS
        return bool(self._batch.changes) and self._handover.idle and waited

    def _keep_alive(self, data: bytes) -> None:
        """Everything before the place that a keepalive names was sent; it moves the position in its turn."""
        end_lsn, wants_answer = replication_stream.keepalive(data)
        self._answer_wanted = self._answer_wanted or wants_answer
        if self._in_transaction:
            return
        self.received_lsn = max(self.received_lsn, end_lsn)
        if self._batch.transactions:
            self._batch.end_lsn = max(self._batch.end_lsn, end_lsn)

    def _between(self) -> None:
        """Nothing more has arrived: hand over what there is, and answer the server."""
        if not self._in_transaction and self._handover.idle:
            if self._batch.changes:
                self._flush()
            elif self.received_lsn > self._applied_lsn() and self._is_time_for_position():
                self._batch.end_lsn = self.received_lsn
                self._idle_position_at = time.monotonic()
                self._flush()
        self._confirm()

    def _is_time_for_position(self) -> bool:
        return self._answer_wanted or time.monotonic() - self._idle_position_at >= IDLE_POSITION_SECONDS

    def _flush(self) -> None:
        """Hand the batch over; while there is no room for it, the server still hears from us."""
        if not (self._batch.changes or self._batch.end_lsn):
            return
        self._is_cut = self._in_transaction
        if self._is_cut:
            self._batch.end_lsn = 0
        while not self._handover.offer(self._batch, timeout_seconds=WAIT_SECONDS):
            self._control.check()
            self._confirm()
        self._batch = Batch()

    def _confirm(self) -> None:
        now = time.monotonic()
        state = (self.received_lsn, self._applied_lsn())
        due = now - self._confirmed_at >= CONFIRM_SECONDS
        if not (due or self._answer_wanted or state[1] != self._confirmed[1]):
            return
        self._stream.confirm(received_lsn=state[0], applied_lsn=state[1])
        self._answer_wanted = False
        self._confirmed, self._confirmed_at = state, now
