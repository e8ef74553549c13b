"""The thread that holds a lease while the engine works, and passes on what asks the work to end."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from django.db import connection

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, LeaseLost, Stopped
from migrations_app.models import Migration
from migrations_app.services.lease import LEASE_SECONDS, Lease, extend, lease_lost
from migrations_app.services.liveness import ProcessKind, beat
from migrations_app.services.patience import DATABASE_AWAY
from migrations_app.worker.draining import is_draining

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
EXTEND_EVERY_SECONDS = 3.0
LOOK_EVERY_SECONDS = 1.0
INTERRUPT_AGAIN_SECONDS = 2.0
STATEMENT_TIMEOUT = "SET statement_timeout = '4s'"


class Heartbeat:
    """Extends the lease every 3 s and looks for a cancel request every second, on a connection of its own.

    Stops the work when the lease is lost, when the database was away for as long as the lease lasts, when a person
    canceled, or when the worker's cluster is stopping. Goes on beating while the work ends in good order.
    """

    def __init__(self, lease: Lease, *, control: Control) -> None:
        self.lease = lease
        self.control = control
        self._done = threading.Event()
        self._held_until = time.monotonic() + LEASE_SECONDS
        self._extend_at = time.monotonic() + EXTEND_EVERY_SECONDS
        self._look_at = 0.0
        self._asked_to_stop = False
        self._is_lost = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def guard(self, control: Control) -> None:
        """Hold the lease for what follows the work; only losing the lease stops that."""
        self._asked_to_stop = True
        self.control = control

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._is_lost and not self._done.wait(TICK_SECONDS):
                self._tick()
        except Exception:
            logger.exception("the heartbeat of migration %s ended", self.lease.migration_id)
            self._lose(LeaseLost("The heartbeat of this run ended unexpectedly."))
        finally:
            connection.close()

    def _tick(self) -> None:
        if is_draining():
            self._stop(LeaseLost("This worker is stopping; another one goes on."))
        try:
            self._extend_if_due()
            self._look_if_due()
        except DATABASE_AWAY as error:
            logger.warning("the lease of migration %s could not be extended: %s", self.lease.migration_id, error)
            connection.close()
        if time.monotonic() > self._held_until:
            self._lose(LeaseLost("The portal's database was away for longer than the lease of this run."))

    def _extend_if_due(self) -> None:
        now = time.monotonic()
        if now < self._extend_at:
            return
        self._limit_statements()
        if not extend(self.lease):
            self._lose(lease_lost())
            return
        self._held_until, self._extend_at = now + LEASE_SECONDS, now + EXTEND_EVERY_SECONDS
        beat(ProcessKind.WORKER)

    def _look_if_due(self) -> None:
        now = time.monotonic()
        if now < self._look_at or self._asked_to_stop:
            return
        self._look_at = now + LOOK_EVERY_SECONDS
        self._limit_statements()
        wanted = Migration.objects.filter(pk=self.lease.migration_id, cancel_requested_at__isnull=False)
        if wanted.exists():
            self._stop(Canceled("The migration was canceled."))

    @staticmethod
    def _limit_statements() -> None:
        """A database that hangs must not keep this thread past the end of the lease."""
        if connection.connection is None:
            with connection.cursor() as cursor:
                cursor.execute(STATEMENT_TIMEOUT)

    def _lose(self, reason: LeaseLost) -> None:
        self._is_lost = True
        self._stop(reason)

    def _stop(self, reason: Stopped) -> None:
        if self._asked_to_stop and not self._is_lost:
            return
        self._asked_to_stop = True
        # Interrupting connections takes seconds, and the lease must be held meanwhile.
        threading.Thread(target=self._interrupt, args=(reason, self.control), name="stop", daemon=True).start()

    def _interrupt(self, reason: Stopped, control: Control) -> None:
        """Interrupt again and again: what arrives between two statements of a session is lost."""
        control.stop(reason)
        while not self._done.wait(INTERRUPT_AGAIN_SECONDS):
            control.stop(reason)
