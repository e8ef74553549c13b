"""Rules about extensions that work by themselves: scheduled jobs, partitions that are made, hypertables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.rule import database_rule, server_rule
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
    "pg_partman": "UPDATE part_config SET automatic_maintenance = 'off' in its schema, or unschedule run_maintenance",
    "pg_timetable": "stop the pg_timetable process",
    "pgagent": "stop the pgagent process",
    "pg_squeeze": "SELECT squeeze.stop_worker() in this database",
    "pg_ivm": "nothing: its views are refreshed by triggers, and must be created anew on the target",
    "citus": "move the coordinator's and the workers' tables with Citus' own tools",
}


@dataclass(frozen=True)
class JobRow:
    """A row of queries/validation_cron_jobs.sql."""

    id: int
    schedule: str
    command: str
    database: str
    username: str

    @property
    def label(self) -> str:
        """For people."""
        return f"job {self.id} ({self.schedule}: {' '.join(self.command.split())[:60]})"


@database_rule(RUNS_TWICE)
def scheduled_jobs(context: DatabaseContext) -> Iterator[Finding]:
    """No job of pg_cron is copied that would then run on both servers."""
    if not context.has_extension("pg_cron"):
        return
    jobs = context.rows("validation_cron_jobs", JobRow)
    if jobs:
        yield RUNS_TWICE.found(
            counted(len(jobs), "job"),
            saw=f"The source has {listed((job.label for job in jobs), limit=3)}.",
            fix="Deactivate them on the source before the migration, by the script; activate those that are wanted on "
            "the target afterwards (the same with active := true). They stay deactivated in the copy.",
            fix_sql=_deactivate(jobs),
        )


def _deactivate(jobs: Sequence[JobRow]) -> str:
    return "\n".join(f"SELECT cron.alter_job({job.id}, active := false);" for job in jobs)


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
    if jobs:
        yield JOBS_LEFT_BEHIND.found(
            counted(len(jobs), "job"),
            saw=f"{home} of the source has {listed((job.label for job in jobs), limit=3)}.",
            fix="Deactivate them on the source before the migration (SELECT cron.alter_job(…, active := false)). After "
            "it run the script on the target, in the database that has pg_cron.",
            fix_sql="\n".join(_schedule(context, job) for job in jobs),
            script_use=ScriptUse.AFTER,
        )


def _schedule(context: ServerContext, job: JobRow) -> str:
    names = {database.source_name: database.target_name for database in context.spec.databases}
    values = (f"job {job.id} of the source", job.schedule, job.command, names[job.database], job.username)
    return f"SELECT cron.schedule_in_database({', '.join(_quoted(value) for value in values)});"


def _quoted(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


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
