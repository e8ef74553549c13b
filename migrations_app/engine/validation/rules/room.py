"""Rules about room: disk on the target, connections and lock slots on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.spec import Side
from migrations_app.engine.validation.azure_target import on_azure
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, SeenServer, ServerContext
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.wording import counted, size

SPACE_FACTOR = 1.25
# Beside its jobs a migration keeps sessions for the snapshot, the schema, large objects and progress.
EXTRA_CONNECTIONS = 5
# A job copies with one session on each side; half a digest reads beside it, one index build writes behind it.
SESSIONS_PER_JOB = {Side.SOURCE: 1.5, Side.TARGET: 2.0}
# Shared memory that nothing else uses lets the lock table grow: 4,160 slots held 6,943 locks on PostgreSQL 14.
LOCK_TABLE_SLACK = 2_500
LOCK_TABLE_COMFORT = 0.8

SPACE = code(
    "PM1010",
    Level.FAILED,
    "Target has too little disk",
    why="Tables, indexes and the WAL written meanwhile need about 1.25 times the size of the source databases; "
    "a full disk stops the target for everybody.",
    side=FindingSide.TARGET,
)
CONNECTIONS = code(
    "PM1011",
    Level.FAILED,
    "Too few free connections",
    why="Each parallel job needs a session on both servers.",
    side=FindingSide.BOTH,
)
LOCKS = code(
    "PM1012",
    Level.FAILED,
    "Lock table is too small",
    why="pg_dump locks every table at once, and one statement on a partitioned table locks all its partitions; when "
    "the lock table is full the server answers: out of shared memory.",
    side=FindingSide.BOTH,
)
NEARLY_FULL = code(
    "PM1013",
    Level.WARNING,
    "Target would be nearly full afterwards",
    why="A flexible server with less than 5 GiB of free storage, or 95 % used, makes itself read-only.",
    side=FindingSide.TARGET,
)
AZURE_READ_ONLY_BELOW_BYTES = 5 * 1024**3


@server_rule(SPACE, NEARLY_FULL)
def target_space(context: ServerContext) -> Iterator[Finding]:
    """The target's free disk is at least 1.25 times the size of the databases to move."""
    moving = [(spec, facts) for spec, facts in context.source_databases]
    unmeasured = [facts.name for _, facts in moving if facts.size_bytes is None]
    needed = ceil(SPACE_FACTOR * sum(facts.size_bytes or 0 for _, facts in moving))
    measured, stated = context.target.facts.free_bytes, context.spec.options.target_free_bytes
    free = stated if stated is not None else measured
    subject = f"Target {context.target.facts.label}"
    if unmeasured:
        yield SPACE.unknown(
            subject,
            saw=f"The size of {', '.join(unmeasured[:5])} cannot be measured.",
            fix="Grant CONNECT on these databases, or pg_read_all_stats, to the source user.",
            side=FindingSide.SOURCE,
        )
    if free is None:
        yield SPACE.unknown(
            subject,
            saw=f"About {size(needed)} are needed; how much is free there cannot be measured by this user.",
            fix=f"Look at the target's storage, make sure that {size(needed)} are free, and state it in the options.",
        )
    elif free + _freed(context) < needed:
        origin = "stated in the options" if stated is not None else "measured with df"
        yield SPACE.found(
            subject,
            saw=f"{size(free)} are free ({origin}); about {size(needed)} are needed.",
            fix=f"Enlarge the target's storage by at least {size(needed - free)}, or move fewer databases at a time.",
        )
    elif on_azure(context) and free + _freed(context) - needed < AZURE_READ_ONLY_BELOW_BYTES:
        missing = AZURE_READ_ONLY_BELOW_BYTES - (free + _freed(context) - needed)
        yield NEARLY_FULL.found(
            subject,
            saw=f"{size(free)} are free and about {size(needed)} are needed: less than 5 GiB would be left.",
            fix=f"Enlarge the target's storage by at least {size(missing)}, or switch on storage autogrow.",
        )


def _freed(context: ServerContext) -> int:
    """Return what the databases that are overwritten will give back."""
    existing = [context.existing_target(database) for database in context.spec.databases if database.overwrite]
    return sum(facts.size_bytes or 0 for facts in existing if facts)


@server_rule(CONNECTIONS)
def enough_connections(context: ServerContext) -> Iterator[Finding]:
    """Both servers have a free connection for each job and a few more."""
    for seen in (context.source, context.target):
        needed = ceil(context.spec.options.jobs * SESSIONS_PER_JOB[seen.server.endpoint.side]) + EXTRA_CONNECTIONS
        free = seen.facts.free_connections
        if free < needed:
            yield _too_few(seen, free=free, needed=needed, jobs=context.spec.options.jobs)


def _too_few(seen: SeenServer, *, free: int, needed: int, jobs: int) -> Finding:
    settings = seen.facts.settings
    return CONNECTIONS.found(
        f"{seen.server.endpoint.side.capitalize()} {seen.facts.label}",
        saw=f"{counted(free, 'connection')} of {settings.max_connections:,} can still be opened by {seen.user}; "
        f"{jobs} parallel jobs need {needed}.",
        fix=f"End idle sessions, lower the parallelism to {max((free - EXTRA_CONNECTIONS) // 2, 1)}, or raise "
        "max_connections (needs a restart) or the connection limit of the user.",
        fix_sql=f"ALTER SYSTEM SET max_connections = {settings.max_connections + needed - free};",
        script_use=ScriptUse.CHOICE,
        level=Level.WARNING if free > EXTRA_CONNECTIONS else Level.FAILED,
        side=seen.side,
    )


@database_rule(LOCKS)
def source_locks(context: DatabaseContext) -> Iterator[Finding]:
    """The source's lock table holds a lock for each table of the database, as pg_dump takes them."""
    yield from _check_locks(
        context.source, needed=len(context.tables), what="pg_dump locks every table of the database"
    )


@dataclass(frozen=True)
class TreeRow:
    """A row of queries/validation_partition_trees.sql."""

    schema: str
    name: str
    members: int


@database_rule(LOCKS)
def target_locks(context: DatabaseContext) -> Iterator[Finding]:
    """The target's lock table holds a lock for each partition of the largest partitioned table, and its indexes."""
    trees = context.rows("validation_partition_trees", TreeRow)
    trees = [tree for tree in trees if context.takes(tree.schema, tree.name)]
    if not trees:
        return
    largest = max(trees, key=lambda tree: tree.members)
    what = f"one statement on {largest.schema}.{largest.name} locks all its partitions and their indexes"
    yield from _check_locks(context.target, needed=largest.members, what=what)


def _check_locks(seen: SeenServer, *, needed: int, what: str) -> Iterator[Finding]:
    settings = seen.facts.settings
    if needed <= settings.lock_slots * LOCK_TABLE_COMFORT:
        return
    side = seen.server.endpoint.side
    better = 64 * ceil(needed / LOCK_TABLE_COMFORT / settings.lock_holders / 64)
    yield LOCKS.found(
        f"{side.capitalize()} {seen.facts.label}",
        saw=f"The lock table has {settings.lock_slots:,} slots (max_locks_per_transaction is "
        f"{settings.max_locks_per_transaction}); {what}, which takes {needed:,}.",
        fix=f"Set max_locks_per_transaction to {better} on the {side} and restart it.",
        fix_sql=f"ALTER SYSTEM SET max_locks_per_transaction = {better};",
        side=seen.side,
        level=Level.FAILED if needed > settings.lock_slots + LOCK_TABLE_SLACK else Level.WARNING,
    )
