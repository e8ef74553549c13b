"""Rules about the target: which engine would apply the changes there, and what would get in its way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.online import online_database_rule, online_server_rule
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.replication_settings import ReplicationSettings, read_replication_settings
from migrations_app.engine.validation.wording import capped, counted, statement

CHECKED_BY_FILE = ("verify-ca", "verify-full")
SPARE_WORKERS = 2
# https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-logical
AZURE_WORKER_PROCESSES = 16

ENGINE = code(
    "PM3060",
    Level.INFO,
    "How changes are applied",
    why="A subscription of the target reads from the source itself; where that is not possible the portal reads the "
    "changes and applies them. Both give the same result.",
    side=FindingSide.TARGET,
)
TRIGGERS_FIRE = code(
    "PM3061",
    Level.WARNING,
    "Target user may not silence triggers",
    why="Changes arrive with what the source's triggers did already. Without session_replication_role = replica the "
    "target's triggers and foreign keys act once more on each row.",
    side=FindingSide.TARGET,
)
ALWAYS_TRIGGER = code(
    "PM3062",
    Level.WARNING,
    "Triggers that fire while changes are applied",
    why="ENABLE ALWAYS and ENABLE REPLICA make a trigger act on every replicated row on the target: what it did on the "
    "source is done once more.",
    side=FindingSide.SOURCE,
)
WORKERS = code(
    "PM3015",
    Level.WARNING,
    "Too few workers for subscriptions on the target",
    why="Each subscription is applied by a worker process of the target; without a free one it waits, and the source "
    "keeps WAL.",
    side=FindingSide.TARGET,
)
ORIGINS = code(
    "PM3016",
    Level.WARNING,
    "Too few replication origins on the target",
    why="Each subscription keeps its position in a replication origin; PostgreSQL 18 limits them by "
    "max_active_replication_origins, older versions by max_replication_slots.",
    side=FindingSide.TARGET,
)


@dataclass(frozen=True)
class _TargetRights:
    """The row of queries/online_target_rights.sql."""

    run_origins: bool


@online_server_rule(ENGINE)
def apply_engine(context: ServerContext) -> Iterator[Finding]:
    """Tells whether the target would subscribe to the source, or the portal would apply the changes, and why."""
    obstacles = why_no_subscription(context)
    with context.target.connected() as connection:
        origins = fetch_one(connection, "online_target_rights", _TargetRights).run_origins
    if context.target.facts.major < 14:
        origins = context.target.superuser
    source = context.source.facts
    saw = (
        f"The portal would apply the changes: {'; '.join(obstacles)}."
        if obstacles
        else f"{context.target.user} may create subscriptions: the target would read from {source.host}:{source.port} "
        "itself if it can reach that address, else the portal would apply the changes."
    )
    silent = context.target.facts.privileges.set_session_replication_role
    yield ENGINE.found(
        f"Target {context.target.facts.label}",
        saw=f"{saw} session_replication_role {'can' if silent else 'cannot'} be set; replication origins "
        f"{'can' if origins else 'cannot'} be used.",
        fix="Nothing has to be done.",
    )


def why_no_subscription(context: ServerContext) -> list[str]:
    """Return what keeps the target from subscribing to the source, in words; empty where it may."""
    facts, privileges = context.target.facts, context.target.facts.privileges
    obstacles = []
    if not privileges.superuser and facts.major < 16:
        obstacles.append(f"before PostgreSQL 16 only a superuser creates subscriptions, and {privileges.user} is none")
    elif not privileges.superuser and not privileges.create_subscriptions:
        obstacles.append(f"{privileges.user} is neither superuser nor member of pg_create_subscription")
    if context.spec.source.sslmode in CHECKED_BY_FILE:
        obstacles.append(
            f"the source's certificate is checked ({context.spec.source.sslmode}) with a file that the target's "
            "machine does not have"
        )
    return obstacles


@online_server_rule(TRIGGERS_FIRE)
def triggers_can_be_silenced(context: ServerContext) -> Iterator[Finding]:
    """The target user may set session_replication_role, so that triggers and foreign keys stay silent."""
    privileges = context.target.facts.privileges
    if privileges.set_session_replication_role:
        return
    can_be_granted = context.target.facts.major >= 15
    yield TRIGGERS_FIRE.found(
        f"Target user {privileges.user}",
        saw=f"{privileges.user} may not set session_replication_role.",
        fix="Run the script on the target as a superuser."
        if can_be_granted
        else "Before PostgreSQL 15 only a superuser may: log in to the target as one, or as the service's "
        "administrator, or let the triggers of the target be disabled until the cutover.",
        fix_sql=statement("GRANT SET ON PARAMETER session_replication_role TO {};", privileges.user)
        if can_be_granted
        else "",
    )


@online_server_rule(WORKERS, ORIGINS)
def room_for_subscriptions(context: ServerContext) -> Iterator[Finding]:
    """The target has a worker process and a replication origin for the subscription of each database."""
    if why_no_subscription(context):
        return
    with context.target.connected() as connection:
        settings = read_replication_settings(connection)
    yield from _workers(context, settings)
    yield from _origins(context, settings)


def _workers(context: ServerContext, settings: ReplicationSettings) -> Iterator[Finding]:
    needed = len(context.source_databases) + settings.use.subscription_workers
    workers = settings.number("max_logical_replication_workers") or 0
    processes = settings.number("max_worker_processes") or 0
    # One process more starts the workers: https://www.postgresql.org/docs/18/logical-replication-config.html
    on_azure = context.target.provider.key == "PostgreSQLFlexibleServer"
    least = max(workers + 1, AZURE_WORKER_PROCESSES if on_azure else 0)
    if workers >= needed and processes >= least:
        return
    better = max(workers, needed + SPARE_WORKERS)
    fix = set_parameters(
        context.target,
        {
            "max_logical_replication_workers": str(better),
            "max_worker_processes": str(max(processes, least, better + SPARE_WORKERS)),
        },
        restart=True,
    )
    yield WORKERS.found(
        f"Target {context.target.facts.label}",
        saw=f"{counted(needed, 'subscription')} will be applied, {settings.use.subscription_workers} of them already "
        f"now; max_logical_replication_workers is {workers}, max_worker_processes {processes}."
        + (f" Microsoft asks for {AZURE_WORKER_PROCESSES} of the latter on flexible server." if on_azure else ""),
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
    )


def _origins(context: ServerContext, settings: ReplicationSettings) -> Iterator[Finding]:
    name = "max_active_replication_origins" if context.target.facts.major >= 18 else "max_replication_slots"
    most, needed = settings.number(name) or 0, len(context.source_databases) + settings.use.origins
    if most >= needed:
        return
    fix = set_parameters(context.target, {name: str(needed + SPARE_WORKERS)}, restart=True)
    yield ORIGINS.found(
        f"Target {context.target.facts.label}",
        saw=f"{needed} will be needed, {settings.use.origins} of them exist already; {name} is {most}.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
    )


@dataclass(frozen=True)
class TriggerRow:
    """A row of queries/online_always_triggers.sql; ``enabled`` is ALWAYS or REPLICA."""

    schema: str
    table: str
    trigger: str
    enabled: str


@online_database_rule(ALWAYS_TRIGGER)
def silent_triggers(context: DatabaseContext) -> Iterator[Finding]:
    """No trigger that moves is one that fires while changes are applied."""
    rows = [row for row in context.rows("online_always_triggers", TriggerRow) if context.takes(row.schema, row.table)]
    yield from capped([_fires(row) for row in rows], ALWAYS_TRIGGER, what="triggers")


def _fires(row: TriggerRow) -> Finding:
    subject, table = f"Trigger {row.trigger} on {row.schema}.{row.table}", (row.schema, row.table)
    if row.enabled == "ALWAYS":
        return ALWAYS_TRIGGER.found(
            subject,
            saw="It is set to ENABLE ALWAYS.",
            fix="If what it does must not be done twice, let it fire on the source alone, by the script there.",
            fix_sql=statement("ALTER TABLE {} ENABLE TRIGGER {};", table, row.trigger),
            script_use=ScriptUse.CHOICE,
        )
    return ALWAYS_TRIGGER.found(
        subject,
        saw="It is set to ENABLE REPLICA: it never fires on the source, and on the target it would.",
        fix="If it is not meant for the rows that arrive, disable it: run the script on the source.",
        fix_sql=statement("ALTER TABLE {} DISABLE TRIGGER {};", table, row.trigger),
        script_use=ScriptUse.CHOICE,
    )
