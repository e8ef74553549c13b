"""Rules about the source's settings for replication: wal_level, slots, walsenders and timeouts."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.online import online_server_rule
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.replication_settings import ReplicationSettings, read_replication_settings
from migrations_app.engine.validation.rules.replication_blockers import SlotRow
from migrations_app.engine.validation.wording import counted, listed

SPARE_SLOTS = 2
SHORTEST_SENDER_TIMEOUT_SECONDS = 60

WAL_LEVEL = code(
    "603107",
    Level.FAILED,
    "wal_level is not logical",
    why="Only WAL of the level logical holds what a stream of changes needs; no logical slot can be made without it.",
    side=FindingSide.SOURCE,
)
SLOTS = code(
    "603105",
    Level.FAILED,
    "Too few free replication slots",
    why="Each database that moves online needs a replication slot of its own on the source.",
    side=FindingSide.SOURCE,
)
SENDERS = code(
    "603106",
    Level.FAILED,
    "Too few free walsenders",
    why="Each replication slot is read through a walsender, and max_wal_senders should not be below "
    "max_replication_slots: else a slot exists that nobody can read.",
    side=FindingSide.SOURCE,
)
SENDER_TIMEOUT = code(
    "PM3010",
    Level.WARNING,
    "wal_sender_timeout",
    why="The source ends a replication connection that is silent for so long, as one is while a large transaction is "
    "applied. With 0 it never notices that the other side is gone, and the slot stays taken.",
    side=FindingSide.SOURCE,
)
IDLE_SLOT_TIMEOUT = code(
    "PM3011",
    Level.WARNING,
    "idle_replication_slot_timeout is set",
    why="PostgreSQL 18 makes a slot useless when nobody has read it for so long, as while the tables are copied or the "
    "migration is paused; the migration must then begin again.",
    side=FindingSide.SOURCE,
)
TRANSACTION_TIMEOUT = code(
    "PM3012",
    Level.INFO,
    "Transactions are ended after a time",
    why="The snapshot of the copy is a transaction that waits idle for as long as the copy takes.",
    side=FindingSide.SOURCE,
)


@online_server_rule(WAL_LEVEL)
def logical_wal(context: ServerContext) -> Iterator[Finding]:
    """The source's wal_level is logical."""
    level = context.source.facts.settings.wal_level
    if level == "logical":
        return
    settings = _settings(context)
    pending = settings.is_pending("wal_level")
    fix = set_parameters(context.source, {"wal_level": "logical"}, restart=True)
    yield WAL_LEVEL.found(
        f"Source {context.source.facts.label}",
        saw=f"wal_level is {level}." + (" Another value was saved and waits for a restart." if pending else ""),
        fix=f"Restart the source if the saved value is logical. Else: {fix['fix']}" if pending else fix["fix"],
        fix_sql=fix["fix_sql"],
    )


def _settings(context: ServerContext) -> ReplicationSettings:
    with context.source.connected() as connection:
        return read_replication_settings(connection)


@online_server_rule(SLOTS)
def free_slots(context: ServerContext) -> Iterator[Finding]:
    """The source has a free replication slot for each database."""
    with context.source.connected() as connection:
        rows = fetch(connection, "online_slots", SlotRow)
    most, needed = context.source.facts.settings.max_replication_slots, len(context.source_databases)
    if most - len(rows) >= needed:
        return
    idle = [row.name for row in rows if not row.active]
    then = f"Or drop slots that nobody reads ({listed(idle)}), if they are not needed." if idle else ""
    fix = set_parameters(
        context.source, {"max_replication_slots": str(len(rows) + needed + SPARE_SLOTS)}, restart=True, then=then
    )
    yield SLOTS.found(
        f"Source {context.source.facts.label}",
        saw=f"{counted(len(rows), 'slot')} of {most} (max_replication_slots) in use; {counted(needed, 'database')} "
        f"{'needs one' if needed == 1 else f'need {needed}'} more.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
    )


@online_server_rule(SENDERS)
def free_senders(context: ServerContext) -> Iterator[Finding]:
    """The source has a free walsender for each database, and no fewer walsenders than replication slots."""
    facts, used = context.source.facts.settings, _settings(context).use.senders
    needed = len(context.source_databases)
    lacks = facts.max_wal_senders - used < needed
    if not lacks and facts.max_wal_senders >= facts.max_replication_slots:
        return
    better = max(used + needed + SPARE_SLOTS, facts.max_replication_slots)
    fix = set_parameters(context.source, {"max_wal_senders": str(better)}, restart=True)
    yield SENDERS.found(
        f"Source {context.source.facts.label}",
        saw=f"{counted(used, 'walsender')} of {facts.max_wal_senders} (max_wal_senders) in use; "
        f"{counted(needed, 'database')} will take {needed} more; max_replication_slots is "
        f"{facts.max_replication_slots}.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
        level=Level.FAILED if lacks else Level.WARNING,
    )


@online_server_rule(SENDER_TIMEOUT, IDLE_SLOT_TIMEOUT, TRANSACTION_TIMEOUT)
def replication_timeouts(context: ServerContext) -> Iterator[Finding]:
    """No timeout of the source ends a replication connection, a slot or a snapshot too early."""
    settings = _settings(context)
    yield from _sender_timeout(context, settings)
    yield from _idle_slots(context, settings)
    names = ("idle_in_transaction_session_timeout", "transaction_timeout")
    limits = [f"{name} is {seconds:,.0f} s" for name in names if (seconds := settings.seconds(name))]
    if limits:
        yield TRANSACTION_TIMEOUT.found(
            f"Source user {context.source.user}",
            saw=f"On the source {listed(limits)} for {context.source.user}.",
            fix="Nothing has to be done: the portal turns these limits off in its own sessions.",
        )


def _sender_timeout(context: ServerContext, settings: ReplicationSettings) -> Iterator[Finding]:
    seconds = settings.seconds("wal_sender_timeout") or 0.0
    if seconds >= SHORTEST_SENDER_TIMEOUT_SECONDS:
        return
    milliseconds = str(SHORTEST_SENDER_TIMEOUT_SECONDS * 1000)
    fix = set_parameters(context.source, {"wal_sender_timeout": milliseconds})
    yield SENDER_TIMEOUT.found(
        f"Source {context.source.facts.label}",
        saw=f"It is {seconds:,.3g} s." if seconds else "It is 0: the source waits for ever.",
        fix=fix["fix"] if seconds else f"Leave it if the network is good. Else: {fix['fix']}",
        fix_sql=fix["fix_sql"],
        level=Level.WARNING if seconds else Level.INFO,
    )


def _idle_slots(context: ServerContext, settings: ReplicationSettings) -> Iterator[Finding]:
    seconds = settings.seconds("idle_replication_slot_timeout")
    if not seconds:
        return
    fix = set_parameters(context.source, {"idle_replication_slot_timeout": "0"})
    yield IDLE_SLOT_TIMEOUT.found(
        f"Source {context.source.facts.label}",
        saw=f"A slot that nobody reads for {seconds:,.0f} s is invalidated.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
    )
