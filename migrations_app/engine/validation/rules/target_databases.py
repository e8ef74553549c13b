"""Rules about the databases by name: missing on the source, existing on the target, names that clash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.probe_values import DatabaseFacts
from migrations_app.engine.spec import DatabaseSpec
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.wording import counted, listed, size, statement

# NAMEDATALEN - 1: https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
MAX_NAME_BYTES = 63

SOURCE_MISSING = code(
    "603102",
    Level.FAILED,
    "Source database does not exist",
    why="There is nothing to move under this name.",
    side=FindingSide.NONE,
)
SOURCE_CLOSED = code(
    "PM1020",
    Level.FAILED,
    "Source database cannot be opened",
    why="Its tables are read through connections to that database.",
    side=FindingSide.SOURCE,
)
TARGET_EXISTS = code(
    "603101",
    Level.FAILED,
    "Target database exists and may not be overwritten",
    why="An existing database is only dropped with your recorded consent.",
    side=FindingSide.NONE,
)
OVERWRITE_NOT_OWNER = code(
    "603117",
    Level.FAILED,
    "Existing target database cannot be dropped",
    why="Only the owner of a database or a superuser may drop it.",
    side=FindingSide.TARGET,
)
OVERWRITE_SESSIONS = code(
    "603111",
    Level.FAILED,
    "Sessions of others keep the target database open",
    why="A database cannot be dropped while sessions, prepared transactions or replication slots use it.",
    side=FindingSide.TARGET,
)
SAME_TARGET_NAME = code(
    "PM1021",
    Level.FAILED,
    "Two databases have the same name on the target",
    why="The second would overwrite the first.",
    side=FindingSide.NONE,
)
BAD_TARGET_NAME = code(
    "PM1022",
    Level.FAILED,
    "Name on the target cannot be used",
    why="PostgreSQL cuts names at 63 bytes, and keeps some names for itself or for the provider.",
    side=FindingSide.NONE,
)
CONNECTED_TARGET = code(
    "PM1023",
    Level.FAILED,
    "Target database is the one the portal logs in to",
    why="A database that a session is connected to cannot be dropped, and the portal needs one to work from.",
    side=FindingSide.NONE,
)
TARGET_HOLDS_DATA = code(
    "PM1025",
    Level.WARNING,
    "Target database that will be dropped holds data",
    why="Consent to overwrite it is recorded; what is in it now is lost for good when the migration starts.",
    side=FindingSide.TARGET,
)
NO_SPEC = code(
    "PM1024",
    Level.FAILED,
    "No database is chosen",
    why="A migration moves at least one database.",
    side=FindingSide.NONE,
)


@server_rule(NO_SPEC, SOURCE_MISSING, SOURCE_CLOSED)
def source_databases(context: ServerContext) -> Iterator[Finding]:
    """Every chosen database exists on the source and can be opened."""
    if not context.spec.databases:
        yield NO_SPEC.found("Databases", saw="No database is chosen.", fix="Choose at least one database.")
    for database in context.spec.databases:
        facts = context.source.databases.get(database.source_name)
        if facts is None:
            yield SOURCE_MISSING.found(
                database.source_name,
                saw=f"{context.source.label} has no database {database.source_name}.",
                fix="Check the name (case matters), or take the database out of the migration.",
                database_id=database.id,
            )
        elif not facts.connectable:
            yield _closed(context, database, facts)


def _closed(context: ServerContext, database: DatabaseSpec, facts: DatabaseFacts) -> Finding:
    fix_sql = (
        statement("GRANT CONNECT ON DATABASE {} TO {};", facts.name, context.source.user)
        if facts.allows_connections
        else statement("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true;", facts.name)
    )
    return SOURCE_CLOSED.found(
        facts.name, saw=facts.problem, fix="Run the script on the source.", fix_sql=fix_sql, database_id=database.id
    )


@server_rule(TARGET_EXISTS, OVERWRITE_NOT_OWNER, CONNECTED_TARGET)
def existing_targets(context: ServerContext) -> Iterator[Finding]:
    """A database that exists on the target may be overwritten, and the target user can drop it."""
    for database in context.spec.databases:
        facts = context.existing_target(database)
        if facts is None:
            continue
        if not database.overwrite:
            yield TARGET_EXISTS.found(
                facts.name,
                saw=f"{context.target.label} already has a database {facts.name}.",
                fix="Consent to overwriting it in the Databases step, or give the database another name on the target.",
                database_id=database.id,
            )
        elif facts.name == context.target.facts.database:
            yield CONNECTED_TARGET.found(
                facts.name,
                saw=f"The portal logs in to {facts.name} on the target.",
                fix="Choose another name for the database on the target, or another database to log in to.",
                database_id=database.id,
            )
        elif not facts.is_owner:
            yield _not_owner(context, database, facts)


def _not_owner(context: ServerContext, database: DatabaseSpec, facts: DatabaseFacts) -> Finding:
    return OVERWRITE_NOT_OWNER.found(
        facts.name,
        saw=f"{facts.name} belongs to {facts.owner}; {context.target.user} is not a member of that role.",
        fix="Run the script on the target as an administrator, or drop the database by hand.",
        fix_sql=statement("ALTER DATABASE {} OWNER TO {};", facts.name, context.target.user),
        database_id=database.id,
    )


@dataclass(frozen=True)
class DatabaseUse:
    """A row of queries/validation_database_uses.sql."""

    database: str
    kind: str
    name: str
    owner: str | None
    may_end: bool


@server_rule(OVERWRITE_SESSIONS)
def targets_in_use(context: ServerContext) -> Iterator[Finding]:
    """Nothing that the portal may not end uses a target database that will be overwritten."""
    overwritten = {
        database.target_name: database
        for database in context.spec.databases
        if database.overwrite and context.existing_target(database)
    }
    if not overwritten:
        return
    with context.target.connected() as connection:
        uses = fetch(connection, "validation_database_uses", DatabaseUse, names=list(overwritten))
    for name, database in overwritten.items():
        stuck = [use for use in uses if use.database == name and not use.may_end]
        if stuck:
            yield _in_use(database, stuck)


def _in_use(database: DatabaseSpec, uses: list[DatabaseUse]) -> Finding:
    return OVERWRITE_SESSIONS.found(
        database.target_name,
        saw=f"{counted(len(uses), 'use')} of it cannot be ended by the portal: "
        + listed(f"{use.kind} {use.name} of {use.owner or 'an unknown role'}" for use in uses)
        + ".",
        fix="End these sessions, finish these prepared transactions, drop these replication slots or subscriptions; or "
        "grant pg_signal_backend to the target user to let the portal end sessions.",
        database_id=database.id,
    )


@dataclass(frozen=True)
class ContentsRow:
    """A row of queries/validation_database_size.sql."""

    tables: int
    bytes: int
    largest: list[str] | None


@database_rule(TARGET_HOLDS_DATA)
def overwritten_data(context: DatabaseContext) -> Iterator[Finding]:
    """Tells what a target database holds that will be dropped and made anew."""
    facts = context.servers.existing_target(context.database)
    if facts is None or not context.database.overwrite:
        return
    if not facts.connectable:
        yield TARGET_HOLDS_DATA.unknown(
            facts.name, saw=facts.problem, fix="Look yourself what the target's database holds before it is dropped."
        )
        return
    with context.target.connected(facts.name) as connection:
        contents = fetch_one(connection, "validation_database_size", ContentsRow)
    if contents.tables:
        yield TARGET_HOLDS_DATA.found(
            facts.name,
            saw=f"{context.target.label} has {counted(contents.tables, 'table')}, {size(contents.bytes)} altogether, "
            f"in {facts.name}: {listed(contents.largest or [])}.",
            fix="Make a backup of what is still needed (pg_dump), or give the database another name on the target.",
        )


@server_rule(SAME_TARGET_NAME, BAD_TARGET_NAME)
def target_names(context: ServerContext) -> Iterator[Finding]:
    """Names on the target are different from each other, short enough and not taken by PostgreSQL or the provider."""
    sources: dict[str, list[str]] = defaultdict(list)
    for database in context.spec.databases:
        sources[_cut(database.target_name)].append(database.source_name)
    for database in context.spec.databases:
        name = database.target_name
        same = sources[_cut(name)]
        if len(same) > 1:
            yield SAME_TARGET_NAME.found(
                name,
                saw=f"{listed(same)} would all become {_cut(name)} on the target.",
                fix="Give each database a name of its own in the Databases step.",
                database_id=database.id,
            )
        reason = _why_not(name, context)
        if reason:
            yield BAD_TARGET_NAME.found(
                name, saw=reason, fix="Choose another name in the Databases step.", database_id=database.id
            )


def _cut(name: str) -> str:
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def _why_not(name: str, context: ServerContext) -> str:
    if not name:
        return "The name is empty."
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"The name is {len(name.encode())} bytes long; PostgreSQL cuts names at {MAX_NAME_BYTES}."
    if name in ("template0", "template1"):
        return f"{name} is the pattern from which PostgreSQL makes new databases."
    if context.target.provider.owns_database(name):
        return f"{name} belongs to {context.target.provider.name}."
    return ""
