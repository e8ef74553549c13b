"""How work is stopped: a flag checked at every step boundary, and a way to interrupt what blocks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from migrations_app.engine.errors import Stopped

logger = logging.getLogger(__name__)


class Control:
    """The reins of one run. ``fence`` is the run's number; a higher one elsewhere means this run is over.

    Whoever runs the engine calls ``stop``; the engine calls ``check`` between steps and wraps everything
    that may block (a statement, a child process) in ``interruptible``.
    """

    def __init__(self, *, fence: int) -> None:
        self.fence = fence
        self._reason: Stopped | None = None
        self._lock = threading.RLock()
        self._interrupts: dict[int, Callable[[], object]] = {}
        self._next_key = 0

    @property
    def stopping(self) -> bool:
        """True once somebody asked the work to end."""
        return self._reason is not None

    def stop(self, reason: Stopped) -> None:
        """Ask the work to end because of ``reason`` and interrupt everything that blocks; the first reason stays."""
        with self._lock:
            self._reason = self._reason or reason
            interrupts = list(self._interrupts.values())
        for interrupt in interrupts:
            try:
                interrupt()
            except Exception:
                logger.exception("could not interrupt running work")

    def check(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self._reason is not None:
            raise self._reason

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While inside, ``stop`` also calls ``interrupt`` (which must be safe from another thread)."""
        with self._lock:
            self.check()
            self._next_key += 1
            key = self._next_key
            self._interrupts[key] = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.pop(key, None)

    @contextmanager
    def child(self) -> Iterator[Control]:
        """Yield the reins of a part of the work: stopped when this work is, but can be stopped alone."""
        part = Control(fence=self.fence)
        with self.interruptible(lambda: part.stop(self._reason or Stopped("The work was stopped."))):
            yield part
