"""Which migrations and databases are being followed, and what may be asked of them in which phase."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from migrations_app.engine.events import Direction
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.models import (
    FOLLOWING_SUBSTATES,
    Migration,
    MigrationDatabase,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    State,
    Substate,
)

# What a worker has something to do for: work under way, and changes that are applied while a person decides.
# One that was canceled while a worker followed it needs another where that one ended without hearing of it.
AT_WORK_SUBSTATES = (*FOLLOWING_SUBSTATES, Substate.CANCELING)
AT_WORK = Q(state=State.IN_PROGRESS) | Q(state=State.WAITING_FOR_USER, substate__in=AT_WORK_SUBSTATES)
BEFORE_CUTOVER = (OnlinePhase.FOLLOWING, OnlinePhase.READY)
RESTING = (ApplyState.PAUSED, ApplyState.BROKEN)

ASKED = {
    RequestKind.REHEARSE: "a rehearsal",
    RequestKind.CUTOVER: "the cutover",
    RequestKind.PAUSE: "a pause",
    RequestKind.CONTINUE: "replication to go on",
    RequestKind.MEND: "a change to be applied",
    RequestKind.GO_BACK: "the way back",
    RequestKind.FINISH: "the finish",
}


@dataclass(frozen=True)
class FollowedDatabase:
    """One database with what decides on what may be asked of it."""

    database: MigrationDatabase
    replication: Replication | None
    open_request: ReplicationRequest | None
    has_fall_back: bool

    @property
    def is_resting(self) -> bool:
        """Paused by somebody, or stopped by an error."""
        return self.replication is not None and self.replication.state in RESTING

    @property
    def name(self) -> str:
        """The name people know it by."""
        return self.database.source_name


def is_following(migration: Migration) -> bool:
    """Tell whether changes are applied while the migration waits for a person."""
    return migration.state == State.WAITING_FOR_USER and migration.substate in FOLLOWING_SUBSTATES


def is_at_work(migration: Migration) -> bool:
    """Tell the same of one migration as ``AT_WORK``: a worker goes on with it as it is."""
    is_waiting = migration.state == State.WAITING_FOR_USER and migration.substate in AT_WORK_SUBSTATES
    return migration.state == State.IN_PROGRESS or is_waiting


def takes_requests(migration: Migration) -> bool:
    """Tell whether anything may be asked of the migration's databases now."""
    is_alive = migration.state == State.IN_PROGRESS or is_following(migration)
    return is_alive and migration.cancel_requested_at is None


def followed_databases(migration: Migration) -> list[FollowedDatabase]:
    """Return the databases of a migration that are being followed, with what is open for them (three queries)."""
    rows = list(migration.databases.exclude(phase=OnlinePhase.NONE))
    replications = Replication.objects.filter(database__in=rows, ended_at__isnull=True)
    by_key = {(row.database_id, row.direction): row for row in replications}
    open_requests = ReplicationRequest.objects.filter(database__in=rows, ended_at__isnull=True).order_by("-id")
    by_database = {row.database_id: row for row in open_requests}
    return [
        FollowedDatabase(
            database=row,
            replication=by_key.get((row.pk, direction_of(row).value)),
            open_request=by_database.get(row.pk),
            has_fall_back=migration.fall_back,
        )
        for row in rows
    ]


def direction_of(database: MigrationDatabase) -> Direction:
    """Return the direction that matters in the database's phase."""
    is_back = database.phase in (OnlinePhase.CUT_OVER, OnlinePhase.GOING_BACK, OnlinePhase.GONE_BACK)
    return Direction.REVERSE if is_back else Direction.FORWARD


def why_not(followed: FollowedDatabase, kind: RequestKind) -> str:
    """Return why this cannot be asked of the database now, in words; empty where it can."""
    if followed.open_request is not None:
        asked = ASKED[RequestKind(followed.open_request.kind)]
        return f"Somebody asked for {asked} of {followed.name} already, and that has not ended."
    database, name = followed.database, followed.name
    if database.state in (State.SUCCEEDED, State.FAILED, State.CANCELED):
        return f"{name} has ended: {State(database.state).label.lower()}."
    if kind in (RequestKind.REHEARSE, RequestKind.CUTOVER):
        return _why_no_cutover(followed, kind)
    if kind is RequestKind.PAUSE:
        return _why_no_pause(followed)
    if kind is RequestKind.MEND:
        has_ended = database.phase in (OnlinePhase.CUTTING_OVER, OnlinePhase.GOING_BACK, OnlinePhase.GONE_BACK)
        return f"{name} is not followed now: {OnlinePhase(database.phase).label.lower()}." if has_ended else ""
    if kind is RequestKind.CONTINUE:
        return "" if followed.is_resting else f"Replication of {name} is not paused."
    if database.phase != OnlinePhase.CUT_OVER:
        return f"{name} is not cut over: {OnlinePhase(database.phase).label.lower()}."
    return "" if followed.has_fall_back else f"{name} was cut over without a way back."


def may_pause(followed: FollowedDatabase) -> bool:
    """Tell whether a pause may be asked for."""
    return not why_not(followed, RequestKind.PAUSE)


def may_continue(followed: FollowedDatabase) -> bool:
    """Tell whether replication may be asked to go on."""
    return not why_not(followed, RequestKind.CONTINUE)


def may_mend(followed: FollowedDatabase) -> bool:
    """Tell whether a change of a definition may be asked to be applied to the target."""
    return not why_not(followed, RequestKind.MEND)


def _why_no_cutover(followed: FollowedDatabase, kind: RequestKind) -> str:
    """A rehearsal after the cutover is one of the way back."""
    has_way_back = followed.has_fall_back and followed.database.phase == OnlinePhase.CUT_OVER
    if kind is RequestKind.REHEARSE and has_way_back:
        return _why_not_while_resting(followed)
    if followed.database.phase == OnlinePhase.FOLLOWING:
        return f"{followed.name} is not caught up yet."
    if followed.database.phase != OnlinePhase.READY:
        return f"{followed.name} cannot be cut over: {OnlinePhase(followed.database.phase).label.lower()}."
    return _why_not_while_resting(followed)


def _why_not_while_resting(followed: FollowedDatabase) -> str:
    return f"Replication of {followed.name} is paused or stopped; let it go on first." if followed.is_resting else ""


def _why_no_pause(followed: FollowedDatabase) -> str:
    has_way_back = followed.has_fall_back and followed.database.phase == OnlinePhase.CUT_OVER
    if followed.database.phase not in BEFORE_CUTOVER and not has_way_back:
        return f"Nothing of {followed.name} can be paused: {OnlinePhase(followed.database.phase).label.lower()}."
    return f"Replication of {followed.name} is paused or stopped already." if followed.is_resting else ""


def is_any_cut_over(databases: Collection[MigrationDatabase]) -> bool:
    """Tell whether a database that has not ended is in use on the target already."""
    ended = (State.SUCCEEDED, State.FAILED, State.CANCELED)
    living = [row.phase for row in databases if row.state not in ended]
    return any(phase in (OnlinePhase.CUT_OVER, OnlinePhase.GOING_BACK) for phase in living)
