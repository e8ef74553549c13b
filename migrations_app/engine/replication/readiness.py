"""The gate before a cutover: what would make it slow, or fail, is named while nothing is closed yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError
from migrations_app.engine.events import Direction
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import ReadTimedOut, fetch, fetch_one
from migrations_app.engine.providers.parameters import how_to_allow_replication
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.database_access import IS_SUPERUSER, may_close
from migrations_app.engine.replication.drift import find_drift, tables_made_since
from migrations_app.engine.replication.fence import other_sessions, prepared_transactions, run_tag
from migrations_app.engine.replication.follow_note import look_up_note
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.logical_slot import SlotState, read_slot
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.replication.stream_gaps import doubts
from migrations_app.engine.spec import VerificationLevel

INSERTED_UP_TO = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8"
LAG_LIMIT_BYTES = 64 * 1024 * 1024
LONG_TRANSACTION_SECONDS = 30
COMPARE_ROWS = (
    "Cut over with full verification, which opens the target only if all rows are the same; or start a new migration "
    "of this database."
)
MAY_END = (
    "SELECT pg_catalog.pg_has_role(current_user, 'pg_signal_backend', 'USAGE')"
    " OR bool_and(pg_catalog.pg_has_role(current_user, r, 'USAGE')) FROM unnest(%s::text[]) r"
)


class NotReady(EngineError):
    """A cutover would not go well now; nothing was changed."""


@dataclass(frozen=True)
class Obstacle:
    """One reason against a cutover now. ``saw`` is a sentence, ``fix`` says what to do."""

    saw: str
    fix: str
    server_message: str = ""


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction of somebody else that has written something."""

    pid: int
    user: str | None
    address: str | None
    application: str | None
    since: str | None
    age_seconds: int | None
    query: str | None

    def __str__(self) -> str:
        """``process 4711 of role shop from 10.0.0.7, since …: UPDATE …``, for people."""
        parts = [f"process {self.pid} of role {self.user}"]
        parts += [f" from {self.address}"] if self.address else []
        parts += [f", application {self.application}"] if self.application else []
        parts += [f", since {self.since}"] if self.since else []
        parts += [f": {self.query}"] if self.query else []
        return "".join(parts)


@dataclass(frozen=True)
class Readiness:
    """What was seen: ``lag_bytes`` behind, ``sessions`` that the fence will end, ``obstacles``, empty when ready."""

    lag_bytes: int
    sessions: int
    obstacles: tuple[Obstacle, ...]

    def require(self) -> None:
        """Raise ``NotReady`` if there is any obstacle."""
        if self.obstacles:
            raise NotReady(
                " ".join(obstacle.saw for obstacle in self.obstacles),
                hint=" ".join(dict.fromkeys(obstacle.fix for obstacle in self.obstacles)),
                server_message=self.obstacles[0].server_message,
            )


def look_at_readiness(crossing: Crossing, *, with_reverse: bool, level: VerificationLevel) -> Readiness:
    """Look for obstacles on the server that is left, and at the apply; ``with_reverse``: on the one entered as well.

    ``level`` is the verification behind the fence: a doubt that rows settle is no obstacle where all are compared.
    Raises ``EngineError`` where it cannot look.
    """
    job, database = crossing.job, crossing.job.database.source_name
    with job.source.connected(database, purpose="readiness") as connection:
        slot = read_slot(connection, crossing.link.name)
        row = connection.execute(INSERTED_UP_TO).fetchone()
        lag_bytes, obstacles = _of_the_apply(crossing, slot, server_lsn=int(row[0]) if row else 0)
        sessions = other_sessions(connection, database, tag=run_tag(job.source))
        obstacles += [
            *_of_rights(crossing, connection, [each.user or "" for each in sessions if not each.is_superuser]),
            *_of_transactions(crossing, connection),
            *_of_subscriptions(crossing, connection),
            *_of_definitions(crossing, connection),
            *_of_the_stream(crossing, connection, level),
        ]
    if with_reverse:
        obstacles += _of_the_way_back(crossing)
    return Readiness(lag_bytes, len(sessions), tuple(obstacles))


def _of_the_apply(crossing: Crossing, slot: SlotState | None, *, server_lsn: int) -> tuple[int, list[Obstacle]]:
    if slot is None or slot.is_lost:
        saw = f"The replication slot {crossing.link.name} on {crossing.job.source.endpoint.label} is lost."
        return 0, [Obstacle(saw, "Changes are missing on the other side for good: start the migration again.")]
    status = crossing.engine.status()
    lag_bytes = max(0, server_lsn - status.applied_lsn)
    if status.state is not ApplyState.APPLYING:
        reason = f": {status.error}" if status.error else "."
        saw = f"The changes are not being applied ({status.state}){reason}"
        return lag_bytes, [
            Obstacle(saw, status.hint or "Wait until it goes on, or continue it.", status.server_message)
        ]
    if lag_bytes > LAG_LIMIT_BYTES:
        saw = (
            f"{lag_bytes:,} bytes of changes are not on {crossing.job.target.endpoint.label} yet "
            f"(applied up to {lsn_text(status.applied_lsn)})."
        )
        return lag_bytes, [Obstacle(saw, f"Wait until it is less than {LAG_LIMIT_BYTES:,} bytes.")]
    return lag_bytes, []


def _of_the_stream(crossing: Crossing, publisher: Connection, level: VerificationLevel) -> Iterator[Obstacle]:
    """Looked at now, since the last look of whoever follows may be half a minute old."""
    if level is VerificationLevel.FULL or crossing.direction is not Direction.FORWARD:
        return
    job, link = crossing.job, crossing.link
    with link.subscriber.connected(link.subscriber_database, purpose="readiness", read_only=True) as subscriber:
        note = look_up_note(job)
        if note is None:
            return
        following = Following(job, crossing.plan, link, crossing.engine)
        for doubt in doubts(
            publisher,
            subscriber,
            following,
            marks=note.published,
            defined=note.defined,
            source_identity=note.source_identity,
        ):
            yield Obstacle(doubt, COMPARE_ROWS)


def _of_rights(crossing: Crossing, connection: Connection, users: list[str]) -> Iterator[Obstacle]:
    database, user = crossing.job.database.source_name, connection.info.user
    if not may_close(connection, database):
        saw = f"{user} may not close the database {database}: it does not have the rights of its owner."
        yield Obstacle(saw, f"Grant the database's owner to {user}.")
    if connection.execute(IS_SUPERUSER).fetchone() == (True,):
        return
    if users and connection.execute(MAY_END, (sorted({each for each in users if each}),)).fetchone() != (True,):
        saw = f"{user} may not end the sessions of other roles in {database}."
        yield Obstacle(saw, f"Run as an administrator: GRANT pg_signal_backend TO {user};")


def _of_transactions(crossing: Crossing, connection: Connection) -> Iterator[Obstacle]:
    database = crossing.job.database.source_name
    if prepared := prepared_transactions(connection, database):
        yield Obstacle(
            f"{database} has prepared transactions: {'; '.join(map(str, prepared[:5]))}.",
            "Commit each with COMMIT PREPARED or roll it back with ROLLBACK PREPARED.",
        )
    open_now = fetch(
        connection, "cutover_open_transactions", OpenTransaction, database=database, tag=run_tag(crossing.job.source)
    )
    long = [each for each in open_now if (each.age_seconds or 0) > LONG_TRANSACTION_SECONDS]
    if long:
        yield Obstacle(
            f"Transactions that write are open for more than {LONG_TRANSACTION_SECONDS} s in {database}, and the "
            f"cutover would roll them back: {'; '.join(map(str, long[:5]))}.",
            "Let each end, or end it by hand.",
        )


def _of_definitions(crossing: Crossing, connection: Connection) -> Iterator[Obstacle]:
    """Somebody changed the definition of something on one side only."""
    job, is_forward = crossing.job, crossing.direction is Direction.FORWARD
    try:
        with job.target.connected(job.database.target_name, purpose="readiness", read_only=True) as target:
            for each in (connection, target):
                each.execute("SET lock_timeout = '5s'")
            found = find_drift(connection, target, crossing.plan.tables, by_oid=is_forward)
    except ReadTimedOut as error:
        saw = f"The definitions cannot be compared, since a table is locked: {error.server_message}."
        yield Obstacle(saw, "Look for the session that holds the lock in pg_stat_activity of both servers.")
        return
    finally:
        connection.execute("RESET lock_timeout")
    made = tables_made_since(job, connection, crossing.plan) if is_forward else []
    seen = [*(f"{each.subject}: {each.saw}" for each in found), *(f"table {each.label} is new." for each in made)]
    if seen:
        yield Obstacle(
            f"Definitions differ between both sides: {' '.join(seen[:5])}",
            "Apply each to the target as offered on the Replication side, or take it back on the source.",
        )


def _of_the_way_back(crossing: Crossing) -> Iterator[Obstacle]:
    """What the entered server needs so that its changes can be sent back."""
    job = crossing.job
    label = job.target.endpoint.label
    with job.target.connected(job.database.target_name, purpose="readiness", read_only=True) as connection:
        rights = fetch_one(connection, "cutover_publishing", _Publishing)
        user = connection.info.user
    if rights.wal_level != "logical":
        saw = f"{label} has wal_level = {rights.wal_level}, so its changes cannot be sent back."
        yield Obstacle(saw, "Set wal_level to logical there and restart it, or cut over without a way back.")
    if not rights.may_replicate:
        saw = f"{user} may not make a replication slot on {label}."
        remedy = how_to_allow_replication(job.target_provider, user)
        yield Obstacle(saw, f"{remedy.text} {remedy.script}".strip())
    if not rights.may_create:
        saw = f"{user} may not make a publication in {job.database.target_name} on {label}."
        yield Obstacle(saw, f"Run there as its owner: GRANT CREATE ON DATABASE {job.database.target_name} TO {user};")
    if rights.free_slots < 1:
        yield Obstacle(f"{label} has no free replication slot.", "Raise max_replication_slots there and restart it.")


def _of_subscriptions(crossing: Crossing, connection: Connection) -> Iterator[Obstacle]:
    rows = connection.execute(
        "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = 'pg_catalog.pg_subscription'::regclass"
        " AND has_column_privilege(oid, 'subname', 'SELECT') AND has_column_privilege(oid, 'subenabled', 'SELECT')"
    )
    if rows.fetchone() != (1,):
        return  # the provider hides it; the lock on the tables keeps such a writer out as well
    names = [row.name for row in fetch(connection, "cutover_incoming", _Incoming)]
    names = [name for name in names if name != crossing.link.name]
    if names:
        yield Obstacle(
            f"{crossing.job.database.source_name} itself receives changes by subscriptions: {', '.join(names)}.",
            "Disable each with ALTER SUBSCRIPTION … DISABLE, so that no change comes in behind the fence.",
        )


@dataclass(frozen=True)
class _Publishing:
    wal_level: str
    may_replicate: bool
    may_create: bool
    free_slots: int


@dataclass(frozen=True)
class _Incoming:
    name: str
