"""Threads that succeed or fail together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Stopped


class Abandoned(Stopped):
    """Work was given up because another thread of the same crew failed."""


class Crew:
    """Start threads inside a ``with`` block; leaving it waits for all of them.

    The first failure interrupts the others, and is what ``wait`` and the end of the block raise.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run ``work`` in a thread of its own."""
        thread = threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Abandoned:
            return  # somebody else's failure is the cause, and is told
        except BaseException as error:  # noqa: BLE001 - kept, and raised again by wait()
            with self._lock:
                self._failure = self._failure or error
            self._control.stop(Abandoned("Another part of the work failed."))

    def wait(self, threads: Iterable[threading.Thread]) -> None:
        """Wait for these threads; raise the first failure of the crew."""
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if value is not None:
            self._control.stop(Abandoned("The work was given up."))
        for thread in self._threads:
            thread.join()
        if value is not None and not isinstance(value, Abandoned):
            return  # the block itself failed, and what failed in the threads followed from that
        if self._failure is not None:
            raise self._failure
