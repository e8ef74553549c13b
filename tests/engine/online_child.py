"""Run an online migration in a process of its own, which may be killed; what the portal keeps in rows, the parent keeps.

The child speaks to its parent over one pipe: an order comes in, then each call to reporter, requests and part queue is a
question that the parent answers. A child whose pipe has ended is over, as a run without its lease is.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection as PipeEnd
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import psutil

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, ConnectionFailed, EngineError, LeaseLost, Stopped
from migrations_app.engine.events import Event
from migrations_app.engine.migrating import Outcome
from migrations_app.engine.online import migrate
from migrations_app.engine.plan import ClaimedPart, TablePlan
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication import follower, watching
from migrations_app.engine.spec import MigrationSpec
from tests.engine.following_online import OnlineMove

ROOT = Path(__file__).parents[2]
ENDED = "ended"
CHILD = "import sys; from tests.engine.online_child import work; work(int(sys.argv[1]))"


class Killed(Stopped):
    """The process that ran the migration is gone."""


@dataclass(frozen=True)
class Order:
    """What a child is to do, and how often it is to look."""

    spec: MigrationSpec
    fence: int
    work_dir: Path
    sample_seconds: float
    compare_seconds: float


@dataclass
class ChildMove(OnlineMove):
    """An online migration whose every run is a process; ``process`` is the latest one."""

    process: psutil.Popen | None = None
    _outputs: list[Path] = field(default_factory=list)

    def kill(self) -> bool:
        """End the process as the kernel would; False where none runs."""
        if self.process is None or not self.process.is_running() or self.thread is None or not self.thread.is_alive():
            return False
        self.process.kill()
        self.thread.join(30)
        return True

    def _migrate(self) -> Outcome:
        ours, theirs = Pipe()
        order = Order(self.spec, self.fence, self.work_dir, follower.SAMPLE_SECONDS, watching.COMPARE_SECONDS)
        output = self.work_dir / f"child-{self.fence}.out"
        command = [sys.executable, "-c", CHILD, str(theirs.fileno())]
        with output.open("wb") as said:
            self.process = psutil.Popen(
                command, pass_fds=[theirs.fileno()], cwd=ROOT, stdout=said, stderr=said, stdin=subprocess.DEVNULL
            )
        theirs.close()
        try:
            with self.control.interruptible(self._stop_child):
                ours.send(order)
                found = self._serve(ours)
        finally:
            ours.close()
            self.process.wait(60)
        return self._ended(found, output)

    def _stop_child(self) -> None:
        is_lost = isinstance(self.control._reason, LeaseLost)
        if self.process is not None and self.process.is_running():
            self.process.send_signal(signal.SIGUSR1 if is_lost else signal.SIGTERM)

    def _serve(self, pipe: PipeEnd) -> Any:
        """Answer until the child has ended; None where it ended without a word."""
        try:
            while True:
                receiver, method, arguments, named = pipe.recv()
                if receiver == ENDED:
                    return arguments[0]
                pipe.send(self._answer_child(receiver, method, arguments, named))
        except (EOFError, OSError):
            return None

    def _answer_child(self, receiver: str, method: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        subjects = {"log": self.log, "requests": self.requests}
        subject = subjects.get(receiver) or self.queues.setdefault(receiver, MemoryPartQueue())
        return getattr(subject, method)(*arguments, **named)

    def _ended(self, found: Any, output: Path) -> Outcome:
        if found is None:
            for queue in self.queues.values():
                queue.reclaim()
            if self.process is not None and self.process.returncode > 0:
                raise AssertionError(f"the child died: {output.read_text()[-3000:]}")
            raise Killed("The process was killed.")
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Outcome)
        return found


# --- in the child ---


class _Desk:
    """The parent, asked by one thread at a time."""

    def __init__(self, pipe: PipeEnd, control: Control) -> None:
        self._pipe, self._control, self._lock = pipe, control, threading.Lock()

    def ask(self, receiver: str, method: str, *arguments: Any, **named: Any) -> Any:
        try:
            with self._lock:
                self._pipe.send((receiver, method, arguments, named))
                return self._pipe.recv() if receiver != ENDED else None
        except (EOFError, OSError):
            self._control.stop(LeaseLost("The parent is gone."))
            raise LeaseLost("The parent is gone.") from None


class _Ports:
    """Reporter and requests of a child."""

    def __init__(self, desk: _Desk) -> None:
        self._desk = desk

    def report(self, event: Event) -> None:
        """Tell the parent."""
        self._desk.ask("log", "report", event)

    def pending(self, database_id: str) -> PersonRequest | None:
        """Ask the parent."""
        found: PersonRequest | None = self._desk.ask("requests", "pending", database_id)
        return found

    def end(self, request: PersonRequest, *, succeeded: bool, message: str = "") -> None:
        """Tell the parent; it is stored when this returns."""
        self._desk.ask("requests", "end", request, succeeded=succeeded, message=message)


class _Queue:
    """The part queue of one database, kept by the parent."""

    def __init__(self, desk: _Desk, database_id: str) -> None:
        self._desk, self._id = desk, database_id

    def enqueue(self, tables: Sequence[TablePlan]) -> None:
        self._desk.ask(self._id, "enqueue", tables)

    def tables(self) -> Sequence[TablePlan]:
        found: Sequence[TablePlan] = self._desk.ask(self._id, "tables")
        return found

    def claim(self) -> ClaimedPart | None:
        found: ClaimedPart | None = self._desk.ask(self._id, "claim")
        return found

    def complete(self, part_id: int, *, rows: int, bytes: int) -> None:
        self._desk.ask(self._id, "complete", part_id, rows=rows, bytes=bytes)

    def complete_empty(self, tables: Sequence[TablePlan]) -> None:
        self._desk.ask(self._id, "complete_empty", tables)

    def release(self, part_id: int, *, error: str) -> None:
        self._desk.ask(self._id, "release", part_id, error=error)

    def restart(self, table: TablePlan) -> None:
        self._desk.ask(self._id, "restart", table)

    def table_is_complete(self, table: TablePlan) -> bool:
        return bool(self._desk.ask(self._id, "table_is_complete", table))

    def close_thread(self) -> None:
        """Threads hold nothing here."""


def _rebuilt(message: str, kind: str, hint: str, server_message: str) -> ConnectionFailed:
    return ConnectionFailed(message, kind=kind, hint=hint, server_message=server_message)


def work(descriptor: int) -> None:
    """Take one order from the parent and carry it out."""
    ForkingPickler.register(ConnectionFailed, lambda e: (_rebuilt, (e.message, e.kind, e.hint, e.server_message)))
    pipe = PipeEnd(descriptor)
    order: Order = pipe.recv()
    follower.SAMPLE_SECONDS, watching.COMPARE_SECONDS = order.sample_seconds, order.compare_seconds
    control = Control(fence=order.fence)
    signal.signal(signal.SIGTERM, lambda *_: control.stop(Canceled("A test ends.")))
    signal.signal(signal.SIGUSR1, lambda *_: control.stop(LeaseLost("Another worker owns the migration.")))
    desk = _Desk(pipe, control)
    ports = _Ports(desk)
    try:
        found: Outcome | EngineError = migrate(
            order.spec,
            reporter=ports,
            control=control,
            queue_for=lambda database: _Queue(desk, database.id),
            work_dir=order.work_dir,
            requests=ports,
        )
    except EngineError as error:
        found = error
    desk.ask(ENDED, "", found)
