"""The process that rings for what nobody works on, every two seconds, and proves that workers answer."""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType

from django.db import DatabaseError, connections

from migrations_app.services.doorbell import is_waiting, ring_task, withdraw
from migrations_app.services.liveness import ProcessKind, beat
from migrations_app.services.reconcile import reconcile

logger = logging.getLogger(__name__)

ANSWER_TASK = "migrations_app.tasks.answer_task"
EVERY_SECONDS = 2.0
ASK_EVERY_SECONDS = 10.0


class ReconcilerProcess:
    """Outlives restarts of the portal's database."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._ask_at = 0.0
        self._question: int | None = None

    def run(self) -> None:
        """Reconcile until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        while not self._stop.is_set():
            self.tick()
            self._stop.wait(EVERY_SECONDS)

    def tick(self) -> None:
        """Look once."""
        try:
            beat(ProcessKind.RECONCILER)
            reconcile()
            self._ask_workers()
        except DatabaseError as error:
            logger.warning("the portal's database is away: %s", error)
            connections.close_all()

    def _ask_workers(self) -> None:
        """Queue a question unless one waits; one that was taken by a worker that died is withdrawn."""
        if time.monotonic() < self._ask_at or is_waiting(self._question):
            return
        withdraw(self._question)
        self._question = ring_task(ANSWER_TASK, save=False)
        self._ask_at = time.monotonic() + ASK_EVERY_SECONDS

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
