"""Rules about jobs that change tables while a migration runs: changes of the schema are not replicated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres import Error, sql
from migrations_app.engine.postgres.queries.reading import ReadFailed, fetch, fetch_one
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.online import online_database_rule, online_server_rule
from migrations_app.engine.validation.wording import counted, listed

CHANGES_SCHEMA = re.compile(r"\b(create|alter|drop|truncate|reindex|partman|run_maintenance\w*)\b", re.IGNORECASE)

CRON_JOBS = code(
    "PM3050",
    Level.WARNING,
    "Jobs of pg_cron that change the schema",
    why="Replication carries rows, not definitions: a table that is created, altered or dropped on the source after "
    "the start stops the apply, or its rows do not arrive.",
    side=FindingSide.SOURCE,
)
PARTITION_JOBS = code(
    "PM3051",
    Level.WARNING,
    "pg_partman makes and drops partitions",
    why="Replication carries rows, not definitions: rows of a partition that does not exist on the target stop the "
    "apply.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class _Scheduler:
    """The row of queries/online_scheduler.sql."""

    database: str | None


@dataclass(frozen=True)
class _HasScheduler:
    """The row of queries/online_has_scheduler.sql."""

    installed: bool


@dataclass(frozen=True)
class JobRow:
    """A row of queries/online_scheduled_jobs.sql."""

    id: int
    schedule: str
    database: str
    username: str
    command: str


@online_server_rule(CRON_JOBS)
def scheduled_jobs(context: ServerContext) -> Iterator[Finding]:
    """No active job of pg_cron changes the schema of a database that moves."""
    with context.source.connected() as connection:
        home = fetch_one(connection, "online_scheduler", _Scheduler).database
    if not home or home not in context.source.databases:
        return
    moving = {database.source_name: database.id for database in context.spec.databases}
    try:
        jobs = [job for job in _jobs(context, home) if job.database in moving]
    except ReadFailed as error:
        yield CRON_JOBS.unknown(
            f"Jobs of pg_cron in {home}",
            saw=f"{context.source.user} may not read all jobs.",
            fix="Look as a superuser, or as each owner of jobs: SELECT * FROM cron.job. Pause those that create, alter "
            "or drop tables until the cutover.",
            server_message=error.server_message,
        )
        return
    for name, database_id in moving.items():
        those = [job for job in jobs if job.database == name and CHANGES_SCHEMA.search(job.command)]
        if those:
            yield _jobs_found(name, those, home=home, database_id=database_id)


def _jobs(context: ServerContext, home: str) -> list[JobRow]:
    with context.source.server.connected(home, purpose="validate") as connection:
        if not fetch_one(connection, "online_has_scheduler", _HasScheduler).installed:
            return []
        return fetch(connection, "online_scheduled_jobs", JobRow)


def _jobs_found(name: str, jobs: list[JobRow], *, home: str, database_id: str) -> Finding:
    return CRON_JOBS.found(
        f"{counted(len(jobs), 'job')} of {name}",
        saw="These are "
        + listed(f"job {job.id} of {job.username} ({job.schedule}): {job.command.strip()[:100]}" for job in jobs)
        + ".",
        fix=f"Pause them until the cutover by the script, run on the source in database {home} as their owner.",
        fix_sql="\n".join(f"SELECT cron.alter_job({job.id}, active := false);" for job in jobs),
        script_database=home,
        database_id=database_id,
    )


@online_database_rule(PARTITION_JOBS)
def partition_maintenance(context: DatabaseContext) -> Iterator[Finding]:
    """No table is kept by pg_partman, which makes partitions as time goes on."""
    extension = next((each for each in context.extensions if each.name == "pg_partman"), None)
    if extension is None:
        return
    subject = f"pg_partman in {context.database.source_name}"
    query = sql.SQL("SELECT parent_table FROM {}.part_config ORDER BY 1").format(sql.Identifier(extension.schema))
    try:
        parents = [row[0] for row in context.connection.execute(query)]
    except Error as error:
        if context.connection.broken:
            raise
        yield PARTITION_JOBS.unknown(
            subject,
            saw=f"{context.source.user} may not read {extension.schema}.part_config.",
            fix=f"Grant SELECT on {extension.schema}.part_config to {context.source.user}.",
            server_message=str(error).strip(),
        )
        return
    if parents:
        yield PARTITION_JOBS.found(
            subject,
            saw=f"It keeps the partitions of {listed(parents)}.",
            fix="Let it make enough partitions before the start (raise premake and call run_maintenance), then pause "
            "run_maintenance, and the retention, until the cutover.",
        )
