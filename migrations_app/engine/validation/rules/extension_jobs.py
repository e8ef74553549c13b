"""Rules about extensions that work by themselves: scheduled jobs, partitions that are made, hypertables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.spec import MigrationMode
from migrations_app.engine.validation.catalog import ExtensionRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.cron import JobRow, deactivate, schedule_on_target
from migrations_app.engine.validation.partman import EXTENSION, kept_tables, switch_off
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.rules.scheduled_ddl import told_when_online
from migrations_app.engine.validation.wording import counted, listed

RUNS_TWICE = code(
    "PM2013",
    Level.WARNING,
    "Scheduled jobs would run on both servers",
    why="The list of jobs is data of the extension and is copied. From the moment that it is on the target both "
    "servers run the jobs, on the target even while tables are being filled.",
    side=FindingSide.SOURCE,
)
JOBS_LEFT_BEHIND = code(
    "PM1084",
    Level.WARNING,
    "Scheduled jobs are left behind",
    why="pg_cron keeps the jobs of all databases in one database. That one is not part of the migration.",
    side=FindingSide.TARGET,
)
MAINTENANCE = code(
    "PM2014",
    Level.WARNING,
    "Extension changes tables by itself",
    why="Partitions or chunks that it makes or drops on the source after the copy has begun are not on the target, and "
    "on the target it begins to work as soon as it is created.",
    side=FindingSide.BOTH,
)
TIMESCALE = code(
    "PM2015",
    Level.WARNING,
    "TimescaleDB's tables need its own procedure",
    why="Hypertables are chunks plus rows in the extension's catalog, which it restores only in its own restoring mode "
    "and in exactly the same version.",
    side=FindingSide.SOURCE,
)
# Extensions that make or drop tables from a background worker or a scheduled function.
SELF_ACTING = {
    "pg_timetable": "stop the pg_timetable process",
    "pgagent": "stop the pgagent process",
    "pg_squeeze": "SELECT squeeze.stop_worker() in this database",
    "pg_ivm": "nothing: its views are refreshed by triggers, and must be created anew on the target",
    "citus": "move the coordinator's and the workers' tables with Citus' own tools",
}


@database_rule(RUNS_TWICE)
def scheduled_jobs(context: DatabaseContext) -> Iterator[Finding]:
    """No job of pg_cron is copied that would then run on both servers."""
    if not context.has_extension("pg_cron"):
        return
    jobs = context.rows("validation_cron_jobs", JobRow)
    jobs = [job for job in jobs if not told_when_online(context.servers, context.connection, job)]
    if jobs:
        yield RUNS_TWICE.found(
            counted(len(jobs), "job"),
            saw=f"The source has {listed((job.label for job in jobs), limit=3)}.",
            fix="Deactivate them on the source before the migration, by the script; activate those that are wanted on "
            "the target afterwards (the same with active := true). They stay deactivated in the copy.",
            fix_sql=deactivate(jobs),
        )


@dataclass(frozen=True)
class CronHome:
    """A row of queries/validation_cron_home.sql."""

    database: str
    installed: bool


@server_rule(JOBS_LEFT_BEHIND)
def jobs_of_other_databases(context: ServerContext) -> Iterator[Finding]:
    """No job of pg_cron works on a database that moves while the list of jobs stays behind."""
    moving = {database.source_name for database in context.spec.databases}
    with context.source.connected() as connection:
        home = fetch_one(connection, "validation_cron_home", CronHome).database
    if home in moving:
        return
    with context.source.connected(home) as connection:
        if not fetch_one(connection, "validation_cron_home", CronHome).installed:
            return
        jobs = [job for job in fetch(connection, "validation_cron_jobs", JobRow) if job.database in moving]
        jobs = [job for job in jobs if not told_when_online(context, connection, job)]
    if jobs:
        yield JOBS_LEFT_BEHIND.found(
            counted(len(jobs), "job"),
            saw=f"{home} of the source has {listed((job.label for job in jobs), limit=3)}.",
            fix="After the migration run the script on the target, in the database that has pg_cron. Before it, "
            f"deactivate them on the source, in {home}; keep the script first, as they are not listed any more then.\n"
            + deactivate(jobs),
            fix_sql="\n".join(schedule_on_target(context, job) for job in jobs),
            script_use=ScriptUse.AFTER,
        )


@database_rule(MAINTENANCE)
def self_acting_extensions(context: DatabaseContext) -> Iterator[Finding]:
    """No extension makes, drops or rewrites tables by itself while they are copied."""
    for extension in context.extensions:
        if extension.name in SELF_ACTING:
            yield MAINTENANCE.found(
                f"Extension {extension.name}",
                saw=f"The source has {extension.name} {extension.version} in schema {extension.schema}.",
                fix=f"Stop it on the source before the migration ({SELF_ACTING[extension.name]}), and start it on the "
                "target afterwards.",
            )
    for extension in context.extensions:
        if extension.name == EXTENSION:
            yield from _partman(context, extension)


def _partman(context: DatabaseContext, extension: ExtensionRow) -> Iterator[Finding]:
    """It acts on the tables that it is told to; online another rule speaks of them (PM3051)."""
    if context.servers.spec.mode is MigrationMode.ONLINE:
        return
    if parents := kept_tables(context, extension):
        yield MAINTENANCE.found(
            f"Extension {EXTENSION}",
            saw=f"pg_partman {extension.version} keeps the partitions of {listed(parents)}.",
            fix="Switch its maintenance off on the source before the migration by the script; switch it on again on "
            "the target afterwards (the same with 'on'). It arrives switched off.",
            fix_sql=switch_off(extension),
        )


@database_rule(TIMESCALE)
def timescale(context: DatabaseContext) -> Iterator[Finding]:
    """The database does not depend on TimescaleDB, or the target has the very same version of it."""
    ours = next((extension for extension in context.extensions if extension.name == "timescaledb"), None)
    if ours is None:
        return
    offered = {facts.name: facts.default_version for facts in context.target.facts.extensions or ()}.get("timescaledb")
    other = "" if offered == ours.version else f" The target offers {offered or 'none'}."
    yield TIMESCALE.found(
        "Extension timescaledb",
        saw=f"The source has timescaledb {ours.version}.{other}",
        fix="Bring both servers to the same version (ALTER EXTENSION timescaledb UPDATE), stop its jobs on the source "
        "by the "
        "script, and rehearse: compare the hypertables in the verification's report. Else move this database by "
        "timescaledb_pre_restore() and pg_restore.",
        fix_sql="SELECT _timescaledb_functions.stop_background_workers();",
        level=Level.FAILED if other else None,
    )
