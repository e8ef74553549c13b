"""What people ask of databases that are being followed: row and event first, then the doorbell.

``RowRequests`` is the engine's side of it: ``engine.ports.Requests`` on the same rows, guarded by the run's fence.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

from migrations_app.engine.findings import Level, ScriptUse
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.spec import VerificationLevel
from migrations_app.following import FollowedDatabase, followed_databases, takes_requests, why_not
from migrations_app.models import (
    EventKind,
    Migration,
    MigrationEvent,
    MigrationFinding,
    OnlinePhase,
    ReplicationRequest,
    State,
)
from migrations_app.selectors.differences import DIFFERENCES
from migrations_app.services.consent import Person
from migrations_app.services.lease import LEASE_SECONDS, fenced, lease_lost
from migrations_app.services.patience import patiently
from migrations_app.services.queries import query
from migrations_app.services.recording.ledger import clean
from migrations_app.services.runs import ActionRefused, lock_run, ring

ASKED_WORDS = {
    RequestKind.REHEARSE: "Asked for a rehearsal of the cutover",
    RequestKind.CUTOVER: "Asked for the cutover",
    RequestKind.PAUSE: "Asked to pause replication",
    RequestKind.CONTINUE: "Asked to let replication go on",
    RequestKind.MEND: "Asked to apply a change of the source to the target",
    RequestKind.GO_BACK: "Asked to go back to the source",
    RequestKind.FINISH: "Asked to finish, which gives up the way back",
}
VERIFICATION_WORDS = {
    VerificationLevel.FULL: "with full verification",
    VerificationLevel.COUNTS: "with row counts compared",
    VerificationLevel.NONE: "without verification",
}
VERIFYING = (RequestKind.REHEARSE, RequestKind.CUTOVER, RequestKind.GO_BACK)


def request_cutover(
    migration_id: UUID,
    *,
    by: Person,
    database_id: UUID | None = None,
    verification: VerificationLevel | None = None,
) -> list[ReplicationRequest]:
    """Ask for the cutover of one database, or of all that are not cut over yet. Raises ``ActionRefused``.

    ``verification`` None takes the level that was chosen in the wizard.
    """
    return _ask(migration_id, RequestKind.CUTOVER, by=by, database_id=database_id, verification=verification)


def request_rehearsal(
    migration_id: UUID,
    *,
    by: Person,
    database_id: UUID | None = None,
    verification: VerificationLevel | None = None,
) -> list[ReplicationRequest]:
    """Ask how long a cutover would take now; the source is not closed. Raises ``ActionRefused``."""
    return _ask(migration_id, RequestKind.REHEARSE, by=by, database_id=database_id, verification=verification)


def pause_replication(migration_id: UUID, *, by: Person, database_id: UUID | None = None) -> list[ReplicationRequest]:
    """Ask to stop applying; the slot keeps what follows. Raises ``ActionRefused``."""
    return _ask(migration_id, RequestKind.PAUSE, by=by, database_id=database_id)


def continue_replication(
    migration_id: UUID, *, by: Person, database_id: UUID | None = None
) -> list[ReplicationRequest]:
    """Ask to apply again after a pause or an error. Raises ``ActionRefused``."""
    return _ask(migration_id, RequestKind.CONTINUE, by=by, database_id=database_id)


def request_mend(
    migration_id: UUID, *, by: Person, subject: str, database_id: UUID | None = None, may_drop: bool = False
) -> list[ReplicationRequest]:
    """Ask to make the target like the source in one object, as the finding about it offers. Raises ``ActionRefused``.

    ``subject`` is that of the finding; without ``database_id`` it is looked up in all databases. ``may_drop``: somebody
    confirmed what drops data on the target.
    """
    told = MigrationFinding.objects.filter(migration_id=migration_id, code__in=DIFFERENCES, subject=subject)
    if database_id is not None:
        told = told.filter(database_id=database_id)
    found = told.exclude(fix_sql="").first()
    if found is None or found.database_id is None:
        raise ActionRefused(f"There is nothing to apply to the target for {subject}.", hint="Look at the list again.")
    if found.script_use == ScriptUse.CHOICE.value and not may_drop:
        raise ActionRefused(f"What is offered for {subject} drops data on the target.", hint=f"Confirm {subject}.")
    return _ask(
        migration_id, RequestKind.MEND, by=by, database_id=found.database_id, subject=subject, may_drop=may_drop
    )


def request_go_back(
    migration_id: UUID,
    *,
    by: Person,
    database_id: UUID | None = None,
    verification: VerificationLevel | None = None,
) -> list[ReplicationRequest]:
    """Ask to make the source the one in use again, with what was written since. Raises ``ActionRefused``."""
    return _ask(migration_id, RequestKind.GO_BACK, by=by, database_id=database_id, verification=verification)


def request_finish(
    migration_id: UUID, *, by: Person, database_id: UUID | None = None, reopen_source: bool = False
) -> list[ReplicationRequest]:
    """Ask to give up the way back and remove everything of ours from both servers. Raises ``ActionRefused``.

    The old source stays closed, unless ``reopen_source``: then applications may write there, and nobody would notice.
    """
    return _ask(migration_id, RequestKind.FINISH, by=by, database_id=database_id, reopen_source=reopen_source)


def _ask(
    migration_id: UUID,
    kind: RequestKind,
    *,
    by: Person,
    database_id: UUID | None,
    verification: VerificationLevel | None = None,
    reopen_source: bool = False,
    subject: str = "",
    may_drop: bool = False,
) -> list[ReplicationRequest]:
    with transaction.atomic():
        lock_run(migration_id)
        migration = Migration.objects.select_for_update(of=("self",)).get(pk=migration_id)
        chosen = _chosen(migration, kind, database_id)
        level = verification or VerificationLevel(migration.cutover_verification)
        asked = _Asked(kind, level, by, reopen_source, subject, may_drop)
        rows = [_store(migration, followed, asked) for followed in chosen]
        Migration.objects.filter(pk=migration_id).update(revision=F("revision") + 1)
        ring(migration_id)
    return rows


def _chosen(migration: Migration, kind: RequestKind, database_id: UUID | None) -> Sequence[FollowedDatabase]:
    """The databases to ask for; of all of them none may be in the way of a cutover, so that nobody is surprised."""
    if not takes_requests(migration):
        label = "being canceled" if migration.cancel_requested_at else State(migration.state).label.lower()
        raise ActionRefused(f"{migration.name} is {label}.", hint="Only a database that is being followed can be.")
    followed = followed_databases(migration)
    if database_id is not None:
        followed = [each for each in followed if each.database.pk == database_id]
    refusals = {each.name: why_not(each, kind) for each in followed}
    able = [each for each in followed if not refusals[each.name]]
    if not able:
        hint = " ".join(why for why in refusals.values() if why)
        raise ActionRefused(_nothing_to(kind, migration), hint=hint or "No database is being followed yet.")
    if kind is RequestKind.CUTOVER and database_id is None:
        _require_all(migration, able)
    return able


def _require_all(migration: Migration, able: Sequence[FollowedDatabase]) -> None:
    ended = (State.SUCCEEDED, State.FAILED, State.CANCELED)
    still_there = migration.databases.exclude(state__in=ended).exclude(phase=OnlinePhase.CUT_OVER)
    missing = still_there.exclude(pk__in=[each.database.pk for each in able])
    names = ", ".join(missing.order_by("source_name").values_list("source_name", flat=True))
    if names:
        hint = "Wait for it, or cut over the others one by one."
        raise ActionRefused(f"Not every database can be cut over now: not {names}.", hint=hint)


def _nothing_to(kind: RequestKind, migration: Migration) -> str:
    words = {
        RequestKind.REHEARSE: "No cutover can be rehearsed",
        RequestKind.CUTOVER: "Nothing can be cut over",
        RequestKind.PAUSE: "Nothing can be paused",
        RequestKind.CONTINUE: "Nothing is paused",
        RequestKind.MEND: "No change can be applied",
        RequestKind.GO_BACK: "There is no way back",
        RequestKind.FINISH: "There is nothing to finish",
    }
    return f"{words[kind]} in {migration.name} now."


@dataclass(frozen=True)
class _Asked:
    kind: RequestKind
    level: VerificationLevel
    by: Person
    reopen_source: bool
    subject: str
    may_drop: bool

    @property
    def suffix(self) -> str:
        if self.kind is RequestKind.FINISH:
            return f" and {'opens the old source again' if self.reopen_source else 'leaves the old source closed'}"
        if self.kind in VERIFYING:
            return f", {VERIFICATION_WORDS[self.level]}"
        return f": {self.subject}" if self.subject else ""


def _store(migration: Migration, followed: FollowedDatabase, asked: _Asked) -> ReplicationRequest:
    by = asked.by
    who = f" ({by.name}, on the command line)" if by.name else ""
    MigrationEvent.objects.create(
        migration=migration,
        database=followed.database,
        kind=EventKind.ACTION,
        message=f"{ASKED_WORDS[asked.kind]}{asked.suffix}.{who}",
        actor=by.user,
        address=by.address,
    )
    return ReplicationRequest.objects.create(
        database=followed.database,
        kind=asked.kind.value,
        verification=asked.level.value,
        reopen_source=asked.reopen_source,
        subject=asked.subject,
        may_drop=asked.may_drop,
        asked_by=by.user,
        asked_from=by.name,
        address=by.address,
    )


class RowRequests:
    """The open requests of one migration, for the run that holds ``fence``; called from several threads."""

    def __init__(self, migration_id: UUID, *, fence: int) -> None:
        self.migration_id = migration_id
        self.fence = fence
        self._lock = threading.Lock()
        self._connection = connections["default"].copy()
        self._connection.inc_thread_sharing()

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        with self._lock:
            self._connection.close()

    def pending(self, database_id: str) -> PersonRequest | None:
        """Return the oldest request that has not ended. Raises ``LeaseLost`` when the fence is old."""
        with self._lock:
            row = patiently(lambda _: self._fetch(database_id), connection=self._connection, seconds=LEASE_SECONDS)
        if row is None or row[0] != self.fence:
            raise lease_lost()
        _, pk, kind, verification, reopen_source, subject, may_drop = row
        if pk is None:
            return None
        return PersonRequest(
            id=str(pk),
            kind=RequestKind(kind),
            database_id=database_id,
            verification=VerificationLevel(verification),
            subject=subject,
            may_drop=may_drop,
            reopen_source=reopen_source,
        )

    def end(self, request: PersonRequest, *, succeeded: bool, message: str = "") -> None:
        """Store that a request was carried out, or why not. Raises ``LeaseLost`` when the fence is old."""
        try:
            patiently(
                lambda _: self._end(request, succeeded, clean(message)),
                connection=connection,
                seconds=LEASE_SECONDS,
            )
        finally:
            if not connection.in_atomic_block:
                connection.close()  # the engine's thread may end without asking us

    def _fetch(self, database_id: str) -> tuple[Any, ...] | None:
        with self._connection.cursor() as cursor:
            values = {"migration_id": self.migration_id, "database_id": UUID(database_id)}
            cursor.execute(query("request_pending"), values)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def _end(self, request: PersonRequest, succeeded: bool, message: str) -> None:
        with fenced(self.migration_id, fence=self.fence):
            rows = ReplicationRequest.objects.filter(pk=int(request.id), ended_at__isnull=True)
            if not rows.update(ended_at=Now(), succeeded=succeeded, message=message):
                return  # it was stored before, without our hearing of it
            if line := _end_words(request.kind, succeeded, message):
                self._note(request, line, is_error=not succeeded)
            Migration.objects.filter(pk=self.migration_id).update(revision=F("revision") + 1)

    def _note(self, request: PersonRequest, line: str, *, is_error: bool) -> None:
        MigrationEvent.objects.create(
            migration_id=self.migration_id,
            database_id=UUID(request.database_id),
            kind=EventKind.ERROR if is_error else EventKind.NOTE,
            level=str(Level.FAILED if is_error else Level.INFO),
            message=line,
        )


def _end_words(kind: RequestKind, succeeded: bool, message: str) -> str:
    """What the log says; how a cutover went is told by its own lines."""
    if not succeeded:
        return f"Not done: {kind_label(kind)}. {message}".rstrip()
    if kind is RequestKind.FINISH:
        return f"Finished: the way back is given up. {message}".rstrip()
    return message


def kind_label(kind: RequestKind) -> str:
    """Return what was asked for, as a person reads it."""
    label: str = ReplicationRequest(kind=kind.value).get_kind_display()
    return label.lower()
