"""Jobs of pg_cron, which several rules tell of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_app.engine.validation.context import ServerContext


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


def deactivate(jobs: Iterable[JobRow]) -> str:
    """Return the script that pauses the jobs, to be run in the database that keeps them."""
    return "\n".join(f"SELECT cron.alter_job({job.id}, active := false);" for job in jobs)


def schedule_on_target(context: ServerContext, job: JobRow) -> str:
    """Return the statement that makes the job anew on the target, for the database under its name there."""
    names = {database.source_name: database.target_name for database in context.spec.databases}
    values = (f"job {job.id} of the source", job.schedule, job.command, names[job.database], job.username)
    return f"SELECT cron.schedule_in_database({', '.join(_quoted(value) for value in values)});"


def _quoted(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
