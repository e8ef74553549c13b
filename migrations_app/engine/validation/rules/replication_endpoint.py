"""Rules about the source's address and service: whether a stream of changes can be had from it at all."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.providers.comparison import effective
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.online import online_server_rule
from migrations_app.engine.validation.remedies import around_pooler
from migrations_app.engine.validation.standby import is_standby_or_reader

OFFLINE_ONLY = code(
    "PM3070",
    Level.FAILED,
    "The source's service offers no replication",
    why="An online migration reads changes from a logical replication slot of the source.",
    side=FindingSide.SOURCE,
)
STANDBY = code(
    "PM3074",
    Level.FAILED,
    "Source is a standby",
    why="A publication can only be made on the primary, and so can the rows that measure lag and prove the cutover.",
    side=FindingSide.SOURCE,
)
POOLER = code(
    "PM3075",
    Level.FAILED,
    "A pooler stands before the source",
    why="A stream of changes needs a connection to PostgreSQL itself; a pooler does not pass it on, or ends it.",
    side=FindingSide.SOURCE,
)
NO_TRUNCATE = code(
    "PM3076",
    Level.WARNING,
    "TRUNCATE is not replicated",
    why="PostgreSQL 10 publishes INSERT, UPDATE and DELETE only: rows that TRUNCATE removed stay on the target.",
    side=FindingSide.SOURCE,
)


@online_server_rule(OFFLINE_ONLY)
def service_replicates(context: ServerContext) -> Iterator[Finding]:
    """The source's service, found or chosen, lets its users replicate to another server."""
    found = context.source.provider
    provider = effective(provider_by_key(context.spec.source_type), found)
    if not provider.can_online:
        origin = "The source is" if provider is found else "What was chosen is"
        yield OFFLINE_ONLY.found(
            f"Source {context.source.facts.label}",
            saw=f"{origin} {provider.name}. {provider.why_offline_only}".strip(),
            fix="Change the mode to Offline under Setup, or the source type if it is another one.",
        )


@online_server_rule(STANDBY)
def source_is_the_primary(context: ServerContext) -> Iterator[Finding]:
    """The source is a primary server, not a standby or reader endpoint."""
    facts, provider = context.source.facts, context.source.provider
    if not is_standby_or_reader(context.source):
        return
    kind = provider.endpoint_kind(facts.host, facts.port)
    saw = "The source is in recovery (pg_is_in_recovery() is true)." if facts.settings.in_recovery else ""
    if kind is not None and kind.reads_only:
        saw = f"{saw} The host name is a {kind.name}. {kind.problem}"
    elif not provider.has_aurora_version:
        saw += f" {_of_a_standby(facts.major)}"
    fix = "Use the writer endpoint: its name contains .cluster-, not .cluster-ro-. Aurora readers never decode WAL."
    yield STANDBY.found(
        f"Source {facts.label}",
        saw=saw.strip(),
        fix=fix if provider.has_aurora_version else "Connect to the primary server.",
    )


def _of_a_standby(major: int) -> str:
    if major < 16:
        return "A standby of this version cannot decode WAL."
    return "It could decode WAL, but the publication must be made elsewhere."


@online_server_rule(POOLER)
def source_is_direct(context: ServerContext) -> Iterator[Finding]:
    """The portal reaches the source itself, not a pooler or proxy before it."""
    facts = context.source.facts
    kind = context.source.provider.endpoint_kind(facts.host, facts.port)
    pooled = kind if kind is not None and kind.is_pooled else None
    if facts.pooler or pooled:
        yield POOLER.found(
            f"Source {facts.label}",
            saw=f"A connection pooler with {facts.pooler} pooling answers at this address."
            if facts.pooler
            else f"This is a {pooled.name if pooled else 'pooler'}.",
            fix=around_pooler(context.source),
        )


@online_server_rule(NO_TRUNCATE)
def truncate_is_replicated(context: ServerContext) -> Iterator[Finding]:
    """The source is PostgreSQL 11 or newer, which replicates TRUNCATE."""
    if context.source.facts.major < 11:
        yield NO_TRUNCATE.found(
            f"Source {context.source.facts.label}",
            saw=f"The source is PostgreSQL {context.source.facts.major}.",
            fix="Let nothing run TRUNCATE on the source between the start and the cutover; use DELETE.",
        )
