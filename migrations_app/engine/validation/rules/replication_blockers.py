"""Rules about what a replication slot would wait for, and about names that are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication_names import PREFIX, replication_name
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.online import online_database_rule, online_server_rule
from migrations_app.engine.validation.wording import capped, counted, listed, size, statement

LONG_SECONDS = 60

OPEN_TRANSACTION = code(
    "PM3040",
    Level.WARNING,
    "Long transaction on the source",
    why="A logical replication slot is ready only when every transaction that was open has ended, in any database; the "
    "migration waits until then.",
    side=FindingSide.SOURCE,
)
PREPARED_TRANSACTION = code(
    "PM3041",
    Level.FAILED,
    "Prepared transaction that nobody finished",
    why="It outlives its session and restarts: a logical replication slot waits for it until somebody commits it or "
    "rolls it back.",
    side=FindingSide.SOURCE,
)
NAME_TAKEN = code(
    "PM3042",
    Level.FAILED,
    "Publication or replication slot of this migration exists already",
    why="An earlier attempt left it behind, or somebody else uses the name: it cannot be created again, and a slot "
    "that nobody reads keeps WAL until the source's disk is full.",
    side=FindingSide.SOURCE,
)
LEFTOVER_SLOT = code(
    "PM3043",
    Level.WARNING,
    "Replication slot of another migration that nobody reads",
    why="It keeps WAL on the source until its disk is full, and takes one of max_replication_slots.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class TransactionRow:
    """A row of queries/online_open_transactions.sql; None where this user may not see it."""

    pid: int
    user: str | None
    database: str | None
    address: str | None
    application: str | None
    state: str | None
    since: str | None
    age_seconds: int | None
    query: str | None


@online_server_rule(OPEN_TRANSACTION)
def open_transactions(context: ServerContext) -> Iterator[Finding]:
    """No transaction that wrote something has been open for more than a minute on the source."""
    if context.source.facts.settings.in_recovery:
        return
    with context.source.connected() as connection:
        rows = fetch(connection, "online_open_transactions", TransactionRow)
    hidden = [row for row in rows if row.age_seconds is None]
    if hidden:
        yield _hidden(context, hidden)
    long = [row for row in rows if row.age_seconds is not None and row.age_seconds >= LONG_SECONDS]
    yield from capped([_open(row) for row in long], OPEN_TRANSACTION, what="transactions")


def _open(row: TransactionRow) -> Finding:
    program = f" by {row.application}" if row.application else ""
    return OPEN_TRANSACTION.found(
        f"Session {row.pid} of {row.user}",
        saw=f"Its transaction in {row.database} is open since {row.since} ({row.state}), from {row.address}{program}: "
        f"{row.query}",
        fix="Wait until it has ended, or end the session by the script; its transaction is rolled back then.",
        fix_sql=f"SELECT pg_terminate_backend({row.pid});",
        script_use=ScriptUse.CHOICE,
    )


def _hidden(context: ServerContext, rows: list[TransactionRow]) -> Finding:
    user = context.source.user
    return OPEN_TRANSACTION.unknown(
        f"Source {context.source.facts.label}",
        saw=f"{counted(len(rows), 'open transaction')} of other users cannot be looked at: {user} is no member of "
        "pg_read_all_stats.",
        fix=f"Run on the source as an administrator: {statement('GRANT pg_read_all_stats TO {};', user)}",
    )


@dataclass(frozen=True)
class PreparedRow:
    """A row of queries/online_prepared_transactions.sql."""

    gid: str
    owner: str
    database: str
    since: str
    age_seconds: int


@online_server_rule(PREPARED_TRANSACTION)
def prepared_transactions(context: ServerContext) -> Iterator[Finding]:
    """No prepared transaction has been left unfinished for more than a minute on the source."""
    with context.source.connected() as connection:
        rows = fetch(connection, "online_prepared_transactions", PreparedRow)
    findings = [
        PREPARED_TRANSACTION.found(
            f"Prepared transaction '{row.gid}' in {row.database}",
            saw=f"{row.owner} prepared it at {row.since}.",
            fix=f"Finish it on the source, in database {row.database}, as {row.owner} or a superuser: by COMMIT "
            "PREPARED if it is wanted, else by the script.",
            fix_sql="ROLLBACK PREPARED '" + row.gid.replace("'", "''") + "';",
            script_use=ScriptUse.CHOICE,
            script_database=row.database,
        )
        for row in rows
        if row.age_seconds >= LONG_SECONDS
    ]
    yield from capped(findings, PREPARED_TRANSACTION, what="prepared transactions")


@dataclass(frozen=True)
class SlotRow:
    """A row of queries/online_slots.sql; ``retained_bytes`` is None for a slot that keeps nothing."""

    name: str
    type: str
    database: str | None
    active: bool
    retained_bytes: int | None

    @property
    def drop_sql(self) -> str:
        """The statement that drops the slot; the name has only a-z, 0-9 and _."""
        return f"SELECT pg_drop_replication_slot('{self.name}');"


@online_server_rule(NAME_TAKEN, LEFTOVER_SLOT)
def replication_slots(context: ServerContext) -> Iterator[Finding]:
    """No replication slot of this migration exists yet, and no other migration left one behind."""
    with context.source.connected() as connection:
        rows = [row for row in fetch(connection, "online_slots", SlotRow) if row.name.startswith(PREFIX)]
    ours = {replication_name(context.spec.id, database_id=each.id): each for each in context.spec.databases}
    for row in rows:
        if row.name in ours:
            yield _taken(row, database_id=ours[row.name].id)
    left = [row for row in rows if row.name not in ours and not row.active]
    if left:
        yield LEFTOVER_SLOT.found(
            counted(len(left), "replication slot"),
            saw=f"Nobody reads {listed(row.name for row in left)}, which keep up to "
            f"{size(max(row.retained_bytes or 0 for row in left))} of WAL.",
            fix="If no other migration will go on with them, drop them on the source by the script.",
            fix_sql="\n".join(row.drop_sql for row in left),
            script_use=ScriptUse.CHOICE,
        )


def _taken(row: SlotRow, *, database_id: str) -> Finding:
    return NAME_TAKEN.found(
        f"Replication slot {row.name}",
        saw=f"The slot exists in {row.database} and keeps {size(row.retained_bytes or 0)} of WAL; it is "
        f"{'in use' if row.active else 'not in use'}.",
        fix="Drop it on the source by the script"
        + (", after the session that reads it has ended." if row.active else "."),
        fix_sql=row.drop_sql,
        database_id=database_id,
    )


@dataclass(frozen=True)
class PublicationRow:
    """A row of queries/online_publications.sql."""

    name: str


@online_database_rule(NAME_TAKEN)
def publication_name(context: DatabaseContext) -> Iterator[Finding]:
    """No publication of this migration's name exists yet."""
    name = replication_name(context.servers.spec.id, database_id=context.database.id)
    if any(row.name == name for row in context.rows("online_publications", PublicationRow)):
        yield NAME_TAKEN.found(
            f"Publication {name}",
            saw=f"The publication exists in {context.database.source_name}.",
            fix="Drop it on the source, in that database, by the script.",
            fix_sql=statement("DROP PUBLICATION {};", name),
        )
