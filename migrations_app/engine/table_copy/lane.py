"""A lane: a psql that reads from the source, a psql that writes to the target, and a named pipe between them.

The rows flow from process to process. Python only says what to copy, compares how many rows were read
and written, and lets the target commit together with the note that the part is done.
"""

from __future__ import annotations

import os
import selectors
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

from migrations_app.engine.errors import CopyFailed
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart
from migrations_app.engine.postgres.psql import Psql
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.table_copy.slow_lane import SlowLane
from migrations_app.engine.table_copy.statements import (
    copy_options,
    fits_one_line,
    part_key,
    relation,
    rows_into,
    rows_of,
)

# A reading transaction keeps a lock on every table it has read: begin a new one before the lock table fills.
PARTS_PER_TRANSACTION = 200
PARTNER_GRACE_SECONDS = 2.0


class Lane:
    """Copies parts one after the other over one pair of connections. A failure closes the lane."""

    def __init__(self, job: DatabaseJob, snapshot: Snapshot, *, number: int) -> None:
        self._snapshot = snapshot
        self._markers = job.markers
        self._slow_lane = SlowLane(job, snapshot)
        self._parts = 0
        self.purpose = f"copy{number}"
        self._directory = tempfile.TemporaryDirectory(prefix="lane-", dir=job.work_dir)
        self._pipe = Path(self._directory.name) / "rows"
        os.mkfifo(self._pipe, 0o600)
        self._pipe_word = "'" + str(self._pipe).replace("'", "''") + "'"
        start = partial(Psql, purpose=self.purpose, encoding=job.encoding, codec=job.codec)
        self._source = start(job.source, database=snapshot.database)
        try:
            self._target = start(job.target, database=job.database.target_name)
        except BaseException:
            self._source.close()
            raise
        # The database may have its own settings already, when its rows are copied again.
        self._target.send("SET synchronous_commit = off", "SET default_transaction_read_only = off")

    def copy(self, claimed: ClaimedPart) -> int:
        """Copy one part and commit it with its note; return the number of rows.

        Raises ``CopyFailed`` or ``ConnectionLost``: then nothing of the part is on the target,
        except that a lost connection may hide a commit, which the note in the target tells.
        """
        table, part = claimed.table, claimed.part
        if not fits_one_line(table):
            return self._slow_lane.copy(claimed)
        options = copy_options(table, part)
        self._source.doing = self._target.doing = f"{table.label} could not be copied"
        self._join_snapshot()
        self._target.send("BEGIN", self._markers.hold)
        if options.freeze:
            self._target.send(f"TRUNCATE ONLY {relation(table)}")
        self._target.send(rf"\copy {rows_into(table)} from {self._pipe_word} with ({options.write})")
        self._source.send(rf"\copy {rows_of(table, part)} to {self._pipe_word} with ({options.read})")
        read, written = self._wait_for_both()
        if read != written:
            raise CopyFailed(
                f"{table.label}: {read} rows were read and {written} were written.",
                hint="Nothing of this part was committed. Resume to copy it again.",
            )
        note = self._markers.insert_statement(kind="part", key=part_key(table, part), detail=str(written))
        self._target.send(note, "COMMIT")
        self._target.read_until(self._target.mark())
        return written

    def _join_snapshot(self) -> None:
        if self._parts % PARTS_PER_TRANSACTION == 0:
            if self._parts:
                self._source.send("COMMIT")
            self._source.send(*self._snapshot.import_commands())
        self._parts += 1

    def _wait_for_both(self) -> tuple[int, int]:
        """Listen to both at once: one that died before it opened the pipe leaves the other waiting there for good."""
        marks = {self._source: self._source.mark(), self._target: self._target.mark()}
        with selectors.DefaultSelector() as selector:
            for psql in marks:
                selector.register(psql.stdout, selectors.EVENT_READ, psql)
            while selector.get_map():
                for key, _ in selector.select():
                    if self._has_reached(key.data, marks[key.data]):
                        selector.unregister(key.fileobj)
        read, written = self._source.copied, self._target.copied
        if read is None or written is None:
            raise CopyFailed("psql did not say how many rows it copied.", hint="Resume to copy the part again.")
        return read, written

    def _has_reached(self, psql: Psql, mark: bytes) -> bool:
        try:
            return psql.read_some(mark)
        except Exception:
            self._raise_the_cause(psql)
            raise

    def _raise_the_cause(self, failed: Psql) -> None:
        """When one side dies the other follows; tell what died first, not what followed from it.

        A target that fails makes the source write into a closed pipe. A source that fails ends the rows too early,
        which the target may call a broken format.
        """
        deadline = time.monotonic() + PARTNER_GRACE_SECONDS
        while (self._source.is_running or self._target.is_running) and time.monotonic() < deadline:
            time.sleep(0.02)
        source_died = not self._source.is_running and not self._source.wrote_into_closed_pipe
        cause = self._source if source_died else self._target
        if cause is not failed:
            raise cause.failure()

    def close(self) -> None:
        """End both processes; an open transaction is rolled back."""
        self._source.close()
        self._target.close()
        self._directory.cleanup()

    def kill(self) -> None:
        """End both processes at once, from any thread."""
        self._source.kill()
        self._target.kill()

    def __enter__(self) -> Lane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def open_lane(job: DatabaseJob, snapshot: Snapshot, *, number: int) -> Iterator[Lane]:
    """Open a lane that ends at once when the run must stop."""
    with Lane(job, snapshot, number=number) as lane, job.control.interruptible(lane.kill):
        yield lane
