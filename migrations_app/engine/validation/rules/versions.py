"""Rules about the servers themselves: version, pooler, identity, recovery, read-only."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.spec import MigrationMode
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.connectivity import POOLED
from migrations_app.engine.validation.context import SeenServer, ServerContext
from migrations_app.engine.validation.remedies import around_pooler, set_parameters
from migrations_app.engine.validation.rule import server_rule

SOURCE_MAJORS = range(10, 19)
TARGET_MAJORS = range(11, 19)

SOURCE_TOO_OLD = code(
    "603400",
    Level.FAILED,
    "Source is older than PostgreSQL 10",
    why="The portal reads catalogs and takes snapshots in ways that PostgreSQL 10 brought.",
    side=FindingSide.SOURCE,
)
SOURCE_TOO_NEW = code(
    "PM1001",
    Level.FAILED,
    "Source is newer than PostgreSQL 18",
    why="The portal's pg_dump is of version 18 and refuses a newer server.",
    side=FindingSide.NONE,
)
TARGET_VERSION = code(
    "PM1002",
    Level.FAILED,
    "Target is not PostgreSQL 11 to 18",
    why="The portal is tested with targets of these versions only.",
    side=FindingSide.TARGET,
)
DOWNGRADE = code(
    "PM1003",
    Level.FAILED,
    "Target is older than the source",
    why="A newer server's schema can hold what an older one does not know, and pg_restore may then lose it.",
    side=FindingSide.TARGET,
)
SAME_DATABASE = code(
    "PM1005",
    Level.FAILED,
    "Source and target are the same database",
    why="The target database is dropped before it is filled: the source would be lost.",
    side=FindingSide.NONE,
)
TARGET_IN_RECOVERY = code(
    "PM1006",
    Level.FAILED,
    "Target is a standby",
    why="A server in recovery accepts no writes.",
    side=FindingSide.TARGET,
)
READ_ONLY = code(
    "603112",
    Level.FAILED,
    "Server is set to read-only",
    why="Somebody, or a service whose storage is almost full, decided that nothing is to be written there. An online "
    "migration writes to the source too.",
    side=FindingSide.BOTH,
)
SOURCE_IN_RECOVERY = code(
    "PM1007",
    Level.INFO,
    "Source is a standby",
    why="A standby cancels long snapshots when they conflict with what the primary cleans up.",
    side=FindingSide.SOURCE,
)


@server_rule(SOURCE_TOO_OLD, SOURCE_TOO_NEW)
def source_version(context: ServerContext) -> Iterator[Finding]:
    """The source is PostgreSQL 10 to 18."""
    facts = context.source.facts
    if facts.major < SOURCE_MAJORS[0]:
        yield SOURCE_TOO_OLD.found(
            f"Source {facts.label}",
            saw=f"The source is PostgreSQL {facts.settings.version_text.split()[1]}.",
            fix="Upgrade the source to PostgreSQL 10 or newer with pg_upgrade, or move it by pg_dump and psql.",
        )
    if facts.major > SOURCE_MAJORS[-1]:
        yield SOURCE_TOO_NEW.found(
            f"Source {facts.label}",
            saw=f"The source is PostgreSQL {facts.major}.",
            fix="Use a release of the portal that supports this version.",
        )


@server_rule(TARGET_VERSION)
def target_version(context: ServerContext) -> Iterator[Finding]:
    """The target is PostgreSQL 11 to 18."""
    facts = context.target.facts
    if facts.major not in TARGET_MAJORS:
        yield TARGET_VERSION.found(
            f"Target {facts.label}",
            saw=f"The target is PostgreSQL {facts.major}.",
            fix="Choose a target server of PostgreSQL 11 to 18.",
        )


@server_rule(DOWNGRADE)
def no_downgrade(context: ServerContext) -> Iterator[Finding]:
    """The target's major version is that of the source, or newer."""
    source, target = context.source.facts.major, context.target.facts.major
    if target < source:
        yield DOWNGRADE.found(
            f"Target {context.target.facts.label}",
            saw=f"The source is PostgreSQL {source}, the target PostgreSQL {target}.",
            fix=f"Choose a target server of PostgreSQL {source} or newer.",
        )


@server_rule(POOLED)
def direct_connections(context: ServerContext) -> Iterator[Finding]:
    """Both connections lead to PostgreSQL itself, not to a pooler; what is before the source online, PM3075 tells."""
    offline = context.spec.mode is MigrationMode.OFFLINE
    for seen in (context.source, context.target) if offline else (context.target,):
        if not seen.facts.pooler:
            continue
        yield POOLED.found(
            f"{seen.server.endpoint.side.capitalize()} {seen.facts.label}",
            saw=f"A connection pooler with {seen.facts.pooler} pooling answers at this address.",
            fix=around_pooler(seen),
            level=Level.FAILED if seen.facts.pooler == "transaction" else Level.WARNING,
            side=seen.side,
        )


@server_rule(SAME_DATABASE)
def not_the_same_database(context: ServerContext) -> Iterator[Finding]:
    """No database is moved onto itself."""
    source, target = context.source.facts, context.target.facts
    if not source.identity or source.identity != target.identity:
        return
    for database in context.spec.databases:
        if database.source_name == database.target_name:
            yield SAME_DATABASE.found(
                database.source_name,
                saw=f"{context.source.label} and {context.target.label} are the same server.",
                fix="Choose another target server, or another name for the database on the target.",
                database_id=database.id,
            )


@server_rule(TARGET_IN_RECOVERY, READ_ONLY)
def target_is_writable(context: ServerContext) -> Iterator[Finding]:
    """The target accepts writes: it is no standby and not set to read-only."""
    seen = context.target
    if seen.facts.settings.in_recovery:
        yield TARGET_IN_RECOVERY.found(
            f"Target {seen.facts.label}",
            saw="The target is in recovery (pg_is_in_recovery() is true).",
            fix="Connect to the primary server.",
        )
    elif seen.facts.settings.read_only_by_default or seen.facts.settings.transaction_read_only:
        yield _read_only(seen)


def _read_only(seen: SeenServer) -> Finding:
    return READ_ONLY.found(
        f"Target {seen.facts.label}",
        saw="The setting default_transaction_read_only is on for this server, user or database.",
        **set_parameters(
            seen,
            {"default_transaction_read_only": "off"},
            then="First look why it was set: managed services do so when storage is nearly full (a flexible server at "
            "95 % "
            "or with less than 5 GiB free), and end it by themselves when the storage is enlarged. If it was set for "
            "a role or a database, reset it there.",
        ),
        side=seen.side,
    )


@server_rule(READ_ONLY)
def source_read_only(context: ServerContext) -> Iterator[Finding]:
    """The source is not set to read-only where an online migration must write there; else tells that it is."""
    settings = context.source.facts.settings
    if settings.in_recovery or not settings.read_only_by_default:
        return
    online = context.spec.mode is MigrationMode.ONLINE
    yield READ_ONLY.found(
        context.source.name,
        saw="The setting default_transaction_read_only is on for this server, user or database.",
        **set_parameters(
            context.source,
            {"default_transaction_read_only": "off"},
            then="If it was set for a role or a database, reset it there."
            if online
            else "An offline migration only reads there, so nothing has to be done for it.",
        ),
        level=Level.FAILED if online else Level.INFO,
        side=context.source.side,
    )


@server_rule(SOURCE_IN_RECOVERY)
def source_is_primary(context: ServerContext) -> Iterator[Finding]:
    """Tells when the source is a standby, which may cancel long reads; online it is refused (PM3074)."""
    if context.source.facts.settings.in_recovery and context.spec.mode is MigrationMode.OFFLINE:
        yield SOURCE_IN_RECOVERY.found(
            f"Source {context.source.facts.label}",
            saw="The source is in recovery (pg_is_in_recovery() is true).",
            **set_parameters(
                context.source,
                {"hot_standby_feedback": "on", "max_standby_streaming_delay": "-1"},
                then="Set them back after the migration.",
            ),
        )
