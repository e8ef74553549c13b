"""Apply by a native subscription of the subscribing server: it goes on by itself, whoever of us is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Connection, Error, errors
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication import subscription
from migrations_app.engine.replication.apply import ApplyKind, ApplyState, ApplyStatus
from migrations_app.engine.replication.binary_form import BINARY_SINCE, binary_goes
from migrations_app.engine.replication.failover import is_failover_slot
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.logical_slot import WAY_BACK_IS_OVER, read_slot, when_lost
from migrations_app.engine.replication.lsn import parse_lsn

PAUSED_WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.1
STUCK_SECONDS = 30.0
ERRORS_IN_A_ROW = 2
ORIGIN = "SELECT remote_lsn::text FROM pg_catalog.pg_replication_origin_status WHERE external_id = %s"
ENABLED = "SELECT subenabled FROM pg_catalog.pg_subscription WHERE oid = %s"
GONE = "Somebody dropped it, and with it the note of what was applied"


@dataclass(frozen=True)
class Worker:
    """A row of queries/follow_subscription.sql; ``errors`` is 0 before 15, which does not count them."""

    oid: int
    is_working: bool
    received_lsn: int
    errors: int


@dataclass
class _Progress:
    """What was seen before, to tell an error that passes from one that does not."""

    applied_lsn: int = 0
    errors: int = -1
    moved_at: float = 0.0
    errors_at_move: int = 0

    def see(self, worker: Worker, applied_lsn: int) -> None:
        """Take one look into account."""
        now = time.monotonic()
        if self.errors < 0 or applied_lsn > self.applied_lsn:
            self.applied_lsn, self.errors_at_move, self.moved_at = applied_lsn, worker.errors, now
        self.errors = worker.errors

    @property
    def errors_since(self) -> int:
        """How many errors there were since something was applied."""
        return self.errors - self.errors_at_move


class ServerToServer:
    """A subscription of the name of its link. Methods may be called by any run.

    ``made_before``: it was made once; if it is gone, its position is, and a new one would apply changes twice.
    """

    kind = ApplyKind.SERVER_TO_SERVER

    def __init__(self, link: Link, *, control: Control, made_before: bool = False) -> None:
        self._link = link
        self._made_before = made_before
        self._control = control
        self._progress = _Progress()

    def start(self) -> None:
        """Make the subscription where it is missing, and enable it."""
        with self._publisher() as publisher, self._subscriber() as subscriber:
            if read_slot(publisher, self._link.name) is None:
                label = self._link.publisher.endpoint.label
                raise EngineError(
                    f"There is no replication slot {self._link.name} on {label} (any more).", hint=self._slot_hint
                )
            self._make_or_adapt(publisher, subscriber)
            if not self._is_enabled(subscriber):
                subscription.alter(subscriber, self._link.name, "ENABLE")
        self._progress = _Progress()

    def _make_or_adapt(self, publisher: Connection, subscriber: Connection) -> None:
        """Make the subscription, or adapt one that rests: columns may have other types than when it was made."""
        link, own = self._link, subscriber.info.server_version
        if subscription.exists(subscriber, link.name):
            if own >= BINARY_SINCE and not self._is_enabled(subscriber):
                binary = binary_goes(publisher, subscriber, link.publications)
                subscription.alter(subscriber, link.name, f"SET (binary = {str(binary).lower()})")
        elif self._made_before:
            raise EngineError(self._gone(), hint=f"{GONE}: {self._way_out}")
        else:
            statement = subscription.create_statement(
                link,
                publisher_version=publisher.info.server_version,
                subscriber_version=own,
                binary=binary_goes(publisher, subscriber, link.publications),
                failover=is_failover_slot(publisher, link.name),
            )
            with self._explained():
                subscriber.execute(statement)
        self._made_before = True

    def pause(self) -> None:
        """Disable it, and wait until its worker has ended; a transaction in hand is applied again later."""
        with self._subscriber() as subscriber:
            if not subscription.exists(subscriber, self._link.name):
                return
            subscription.alter(subscriber, self._link.name, "DISABLE")
            deadline = time.monotonic() + PAUSED_WITHIN_SECONDS
            while (worker := self._worker(subscriber)) is not None and worker.is_working:
                self._control.check()
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"The worker of the subscription {self._link.name} did not end within "
                        f"{PAUSED_WITHIN_SECONDS:.0f} s.",
                        hint="Look into pg_stat_activity of that server: it may wait for a lock.",
                    )
                time.sleep(LOOK_EVERY_SECONDS)

    def status(self) -> ApplyStatus:
        """Look at both servers: the position is the origin's, or what the worker has confirmed to the slot."""
        with self._publisher() as publisher:
            slot = read_slot(publisher, self._link.name)
        with self._subscriber() as subscriber:
            worker = self._worker(subscriber)
            if worker is None:
                return ApplyStatus(ApplyState.BROKEN, error=self._gone(), hint=f"{GONE}: {self._way_out}")
            applied = max(self._origin_lsn(subscriber, worker), slot.confirmed_lsn if slot else 0)
            is_enabled = self._is_enabled(subscriber)
        self._progress.see(worker, applied)
        received = max(worker.received_lsn, applied)
        if slot is None or slot.is_lost:
            label = self._link.publisher.endpoint.label
            words = f"The replication slot {self._link.name} on {label} is lost."
            return ApplyStatus(ApplyState.BROKEN, received, applied, error=words, hint=self._slot_hint)
        if not is_enabled:
            return ApplyStatus(ApplyState.PAUSED, received, applied)
        return self._working(worker, received=received, applied=applied, is_read=bool(slot.active_pid))

    def _working(self, worker: Worker, *, received: int, applied: int, is_read: bool) -> ApplyStatus:
        seconds = time.monotonic() - self._progress.moved_at
        name, label = self._link.name, self._link.subscriber.endpoint.label
        look = f'Look into the log of {label}: the lines of "logical replication apply worker" of {name} say why.'
        if self._progress.errors_since >= ERRORS_IN_A_ROW:
            words = f"The worker of the subscription {name} on {label} ended with an error "
            words += f"{self._progress.errors_since} times since it applied something."
            hint = f"{look} Mend that row or table there; the worker tries again every five seconds."
            return ApplyStatus(ApplyState.BROKEN, received, applied, error=words, hint=hint)
        if worker.is_working and is_read:
            return ApplyStatus(ApplyState.APPLYING, received, applied)
        if seconds < STUCK_SECONDS:
            return ApplyStatus(ApplyState.RECONNECTING, received, applied)
        words = f"The subscription {name} on {label} has had no working connection for {seconds:.0f} s."
        hint = f"{look} Or no worker is free: raise max_logical_replication_workers there and restart it."
        return ApplyStatus(ApplyState.RECONNECTING, received, applied, error=words, hint=hint)

    def stop(self) -> None:
        """Nothing of it is held by this process."""

    def remove(self) -> None:
        """Drop the subscription; the slot is not touched."""
        with self._subscriber() as subscriber:
            if subscription.exists(subscriber, self._link.name):
                subscription.drop(subscriber, self._link.name)

    def has_applied(self) -> bool:
        """Tell whether anything was applied yet, as far as our user may see it."""
        with self._subscriber() as subscriber:
            worker = self._worker(subscriber)
            return worker is not None and self._origin_lsn(subscriber, worker) > 0

    # --- what is looked at ---

    @property
    def _way_out(self) -> str:
        return WAY_BACK_IS_OVER if self._link.is_way_back else "start a new migration of this database."

    @property
    def _slot_hint(self) -> str:
        return when_lost(is_way_back=self._link.is_way_back)

    def _gone(self) -> str:
        return f"There is no subscription {self._link.name} on {self._link.subscriber.endpoint.label} (any more)."

    def _worker(self, subscriber: Connection) -> Worker | None:
        found = fetch(subscriber, "follow_subscription", Worker, name=self._link.name)
        return found[0] if found else None

    def _is_enabled(self, subscriber: Connection) -> bool:
        """Where a provider hides pg_subscription, a worker tells it."""
        worker = self._worker(subscriber)
        if worker is None:
            return False
        try:
            row = subscriber.execute(ENABLED, (worker.oid,)).fetchone()
        except errors.InsufficientPrivilege:
            return worker.is_working
        return row == (True,)

    def _origin_lsn(self, subscriber: Connection, worker: Worker) -> int:
        try:
            row = subscriber.execute(ORIGIN, (f"pg_{worker.oid}",)).fetchone()
        except errors.InsufficientPrivilege:
            return 0
        return parse_lsn(row[0]) if row and row[0] else 0

    @contextmanager
    def _publisher(self) -> Iterator[Connection]:
        server = self._link.publisher.under(self._control)
        with server.connected(self._link.publisher_database, purpose="apply", read_only=True) as connection:
            yield connection

    @contextmanager
    def _subscriber(self) -> Iterator[Connection]:
        server = self._link.subscriber.under(self._control)
        with server.connected(self._link.subscriber_database, purpose="apply", read_only=False) as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The statement holds a password, which no message may show."""
        link = self._link
        try:
            yield
        except Error as error:
            words = without_secret(str(error), link)
            raise EngineError(
                f"{link.subscriber.endpoint.label} could not subscribe to {link.publisher.endpoint.label}.",
                hint="Let the changes go through the portal, or mend what the server names and continue.",
                server_message=words,
            ) from None


def without_secret(words: str, link: Link) -> str:
    """Return a server's words without the publisher's password."""
    password = link.publisher.endpoint.password
    text = " ".join(words.split())
    return text.replace(password, "…") if password else text
