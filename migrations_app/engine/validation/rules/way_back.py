"""Rules about what the target needs where a way back was chosen: it sends its own changes then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.providers.parameters import how_to_allow_replication
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.online import online_server_rule
from migrations_app.engine.validation.remedies import fix_of, set_parameters
from migrations_app.engine.validation.wording import counted

SPARE_SLOTS = 2
NOT_ALLOWED = code(
    "PM3080",
    Level.FAILED,
    "Target user may not send changes back",
    why="With a way back, the cutover makes a replication slot on the target, which needs REPLICATION, or "
    "the role that the service has for it. Without it no cutover begins.",
    side=FindingSide.TARGET,
)
NO_LOGICAL = code(
    "PM3081",
    Level.FAILED,
    "Target cannot send changes back",
    why="With a way back, the target's own log is decoded after the cutover: wal_level must be logical there, and a "
    "replication slot free for each database. Without them no cutover begins.",
    side=FindingSide.TARGET,
)


@dataclass(frozen=True)
class _Publishing:
    """The row of queries/cutover_publishing.sql."""

    wal_level: str
    may_replicate: bool
    may_create: bool
    free_slots: int


@online_server_rule(NOT_ALLOWED, NO_LOGICAL)
def way_back(context: ServerContext) -> Iterator[Finding]:
    """The target can send its changes to the old source, where a way back was chosen."""
    if not context.spec.online.fall_back:
        return
    with context.target.connected() as connection:
        seen = fetch_one(connection, "cutover_publishing", _Publishing)
    if not seen.may_replicate:
        yield _not_allowed(context)
    needed = len(context.source_databases)
    settings = {"wal_level": "logical"} if seen.wal_level != "logical" else {}
    if seen.free_slots < needed:
        settings["max_replication_slots"] = str(context.target.facts.settings.max_replication_slots + SPARE_SLOTS)
    if settings:
        fix = set_parameters(context.target, settings, restart=True, then="Or migrate without a way back.")
        yield NO_LOGICAL.found(
            f"Target {context.target.facts.label}",
            saw=f"wal_level is {seen.wal_level}; {counted(max(0, seen.free_slots), 'replication slot')} free, "
            f"{needed} needed.",
            fix=fix["fix"],
            fix_sql=fix["fix_sql"],
        )


def _not_allowed(context: ServerContext) -> Finding:
    user = context.target.facts.privileges.user
    fix = fix_of(how_to_allow_replication(context.target.provider, user), then="Or migrate without a way back.")
    return NOT_ALLOWED.found(
        f"Target user {user}",
        saw="The user has neither REPLICATION nor SUPERUSER.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
    )
