"""Store what the engine reports: ``engine.ports.Reporter`` on rows, about one write a second, guarded by the fence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from types import TracebackType
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils import timezone

from migrations_app.engine.control import Control
from migrations_app.engine.errors import LeaseLost, Stopped
from migrations_app.engine.events import CutoverEnded, DatabaseFailed, DatabaseFinished, Event, Step, StepFinished
from migrations_app.models import Migration
from migrations_app.services.lease import LEASE_SECONDS, fenced
from migrations_app.services.patience import DATABASE_AWAY
from migrations_app.services.recording import (
    CutoverLedger,
    DatabaseLedger,
    FindingLedger,
    IndexLedger,
    Ledger,
    LogLedger,
    OldSourceLedger,
    PartLedger,
    PhaseLedger,
    ReplicationLedger,
    SampleLedger,
    StepLedger,
    VerificationLedger,
)

logger = logging.getLogger(__name__)

FLUSH_EVERY_SECONDS = 1.0
STORED_AT_ONCE = (DatabaseFinished, DatabaseFailed, CutoverEnded)


class ProgressRecorder:
    """Collects events in memory; one thread with one connection writes them. Use it as a context manager.

    The end of a database and of a cutover is stored when ``report`` returns, everything else within about a second,
    and all of it when the context ends. Once the fence is old nothing is written any more and ``report`` raises
    ``LeaseLost``.
    """

    def __init__(
        self, migration_id: UUID, *, control: Control, ledgers: Sequence[Sequence[Ledger]] | None = None
    ) -> None:
        """Write with every ledger, or with ``ledgers`` alone: groups that are written in one transaction each."""
        self.migration_id = migration_id
        self.control = control
        self._groups = _all_ledgers(migration_id, fence=control.fence) if ledgers is None else ledgers
        self._page_is_old = False
        self._inbox: list[tuple[datetime, Event]] = []
        self._wake = threading.Condition()
        self._asked = self._answered = 0
        self._is_closing = False
        self._away_since: float | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> ProgressRecorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Store everything, then end. Raises what kept progress from being stored, unless the work failed by itself."""
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
        self._thread.join()
        if self._failure is not None and (error is None or isinstance(error, Stopped)):
            raise self._failure

    def report(self, event: Event) -> None:
        """Take one event, from any thread."""
        with self._wake:
            self._raise_failure()
            self._inbox.append((timezone.now(), event))
        if isinstance(event, STORED_AT_ONCE) or is_validated(event):
            self.settle()

    def settle(self) -> None:
        """Return when everything reported so far is stored. Raises ``LeaseLost``."""
        with self._wake:
            self._asked += 1
            ticket = self._asked
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._answered >= ticket or self._failure or not self._thread.is_alive())
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while self._flush_and_tell():
                with self._wake:
                    self._wake.wait_for(self._is_wanted, timeout=FLUSH_EVERY_SECONDS)
        except LeaseLost as error:
            self._give_up(error, reason=error)
        except DATABASE_AWAY as error:
            self._give_up(error, reason=LeaseLost("The portal's database is away."))
        except Exception as error:
            logger.exception("progress of migration %s could not be stored", self.migration_id)
            self._give_up(error, reason=Stopped("The progress of the work could not be stored."))
        finally:
            connection.close()

    def _flush_and_tell(self) -> bool:
        """Write once, outliving a restart of the database; False when that was the last time."""
        with self._wake:
            last, asked = self._is_closing, self._asked
        try:
            self._flush()
        except DATABASE_AWAY as error:
            self._wait_for_database(error)
            return True
        self._away_since = None
        with self._wake:
            self._answered = asked
            self._wake.notify_all()
        return not last

    def _flush(self) -> None:
        with self._wake:
            events, self._inbox = self._inbox, []
        for at, event in events:
            for ledger in chain(*self._groups):
                ledger.take(event, at=at)
        for group in self._groups:
            with fenced(self.migration_id, fence=self.control.fence):
                # A list, not a generator: every ledger writes.
                written = [ledger.write() for ledger in group]
                self._page_is_old = self._page_is_old or any(written)
                if self._page_is_old and group is self._groups[-1]:
                    Migration.objects.filter(pk=self.migration_id).update(revision=F("revision") + 1)
            for ledger in group:
                ledger.stored()
        self._page_is_old = False

    def _is_wanted(self) -> bool:
        return self._asked > self._answered or self._is_closing

    def _wait_for_database(self, error: Exception) -> None:
        """Drop the connection and wait a little; raise ``error`` when the lease cannot have lasted so long."""
        connection.close()
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() > self._away_since + LEASE_SECONDS:
            raise error
        logger.warning("progress will be stored when the portal's database is back: %s", error)
        time.sleep(0.5)

    def _give_up(self, error: BaseException, *, reason: Stopped) -> None:
        with self._wake:
            self._failure = error
            self._wake.notify_all()
        self.control.stop(reason)


def _all_ledgers(migration_id: UUID, *, fence: int) -> list[list[Ledger]]:
    """One transaction each: the part queue locks parts, then tables, then databases, and so must we."""
    return [
        [PartLedger(migration_id, fence=fence)],
        [IndexLedger()],
        [
            StepLedger(migration_id),
            DatabaseLedger(),
            FindingLedger(migration_id),
            VerificationLedger(),
            LogLedger(migration_id),
            SampleLedger(migration_id),
            ReplicationLedger(migration_id),
            OldSourceLedger(migration_id),
            CutoverLedger(migration_id),
            PhaseLedger(migration_id, fence=fence),  # last: it locks the migration, after its databases
        ],
    ]


def is_validated(event: Event) -> bool:
    """What follows validation changes the target: a run that takes over must know that it need not validate again."""
    return isinstance(event, StepFinished) and event.step is Step.VALIDATE
