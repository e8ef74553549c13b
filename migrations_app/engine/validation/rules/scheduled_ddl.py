"""Rules about jobs that change tables while a migration runs: changes of the schema are not replicated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import ReadFailed, fetch, fetch_one
from migrations_app.engine.spec import MigrationMode
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.cron import JobRow, deactivate, schedule_on_target
from migrations_app.engine.validation.online import online_database_rule, online_server_rule
from migrations_app.engine.validation.partman import EXTENSION, kept_tables, switch_off
from migrations_app.engine.validation.wording import counted, listed

# What changes a schema; such jobs of an online migration are told here and not among those that would run twice.
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
            yield _jobs_found(context, name, those, home=home, database_id=database_id)


def told_when_online(context: ServerContext, connection: Connection, job: JobRow) -> bool:
    """Tell whether the rule above speaks of ``job``; ``connection`` is to the database that keeps it."""
    if context.spec.mode is not MigrationMode.ONLINE or not CHANGES_SCHEMA.search(job.command):
        return False
    moving = {database.source_name for database in context.spec.databases}
    return job.database in moving and fetch_one(connection, "online_scheduler", _Scheduler).database is not None


def _jobs(context: ServerContext, home: str) -> list[JobRow]:
    with context.source.server.connected(home, purpose="validate") as connection:
        if not fetch_one(connection, "online_has_scheduler", _HasScheduler).installed:
            return []
        return fetch(connection, "validation_cron_jobs", JobRow)


def _jobs_found(context: ServerContext, name: str, jobs: list[JobRow], *, home: str, database_id: str) -> Finding:
    stays = home not in {database.source_name for database in context.spec.databases}
    return CRON_JOBS.found(
        f"{counted(len(jobs), 'job')} of {name}",
        saw="These are "
        + listed(f"job {job.id} of {job.username} ({job.schedule}): {job.command.strip()[:100]}" for job in jobs)
        + ".",
        fix=f"Pause them until the cutover by the script, run on the source in database {home} as their owner. "
        + (
            f"{home} does not move: after the cutover run this on the target, in the database that has pg_cron:\n"
            + "\n".join(schedule_on_target(context, job) for job in jobs)
            if stays
            else "They arrive paused; activate them on the target after the cutover (the same with active := true)."
        ),
        fix_sql=deactivate(jobs),
        script_database=home,
        database_id=database_id,
    )


@online_database_rule(PARTITION_JOBS)
def partition_maintenance(context: DatabaseContext) -> Iterator[Finding]:
    """No table is kept by pg_partman, which makes partitions as time goes on."""
    extension = next((each for each in context.extensions if each.name == EXTENSION), None)
    if extension is None:
        return
    if parents := kept_tables(context, extension):
        yield PARTITION_JOBS.found(
            f"pg_partman in {context.database.source_name}",
            saw=f"It keeps the partitions of {listed(parents)}.",
            fix="Let it make enough partitions before the start (raise premake and call run_maintenance), then switch "
            "its maintenance off by the script until the cutover, and on the target on again (the same with 'on').",
            fix_sql=switch_off(extension),
        )
