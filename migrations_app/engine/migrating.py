"""What every migration does, however its databases move: look, ask, prepare, and say how each ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConsentToWarningsMissing, EngineError, Stopped, ValidationFailed
from migrations_app.engine.events import CheckResult, DatabaseFailed, Step, StepFinished, StepStarted
from migrations_app.engine.findings import ACCEPTABLE, Finding, Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.patience import patiently
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.postgres import Server
from migrations_app.engine.roles.copy_roles import copy_roles
from migrations_app.engine.spec import AtWarnings, DatabaseSpec, MigrationOption, MigrationSpec
from migrations_app.engine.target.finish import describe_target, forget_notes
from migrations_app.engine.target.markers import Markers
from migrations_app.engine.validation import validate
from migrations_app.engine.validation.wording import counted

NOT_VERIFIED = "not_verified"


@dataclass(frozen=True)
class DatabaseOutcome:
    """How one database ended: ``verified`` is a ``CheckResult`` or ``not_verified``; ``error`` is None when it moved.

    ``losses`` names objects that could not be restored.
    """

    database_id: str
    verified: str
    error: EngineError | None = None
    losses: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """True when everything is on the target and nothing was found different."""
        return self.error is None and not self.losses and self.verified in (CheckResult.IDENTICAL, NOT_VERIFIED)


@dataclass(frozen=True)
class Outcome:
    """How a migration ended, database by database.

    ``look_again_seconds`` is None, unless databases are followed that need nobody now: then the migration goes on, and
    whoever runs it should run it again after so many seconds. ``databases`` are those that have ended.
    """

    databases: tuple[DatabaseOutcome, ...]
    look_again_seconds: float | None = None

    @property
    def succeeded(self) -> bool:
        """True when every database succeeded."""
        return self.look_again_seconds is None and all(database.succeeded for database in self.databases)


@dataclass(frozen=True)
class Servers:
    """Both servers as one run sees them."""

    source: Server
    target: Server


def servers_of(spec: MigrationSpec, control: Control) -> Servers:
    """Return both servers, with sessions that bear the name of this run."""
    tag = run_tag(spec.id, fence=control.fence)
    return Servers(Server(spec.source, tag=tag, control=control), Server(spec.target, tag=tag, control=control))


def bring_roles(spec: MigrationSpec, servers: Servers, *, reporter: Reporter, control: Control) -> None:
    """Copy the roles, as chosen; waits for a server that is away for a moment."""
    reporter.report(StepStarted(Step.ROLES))
    roles = partial(copy_roles, servers.source, servers.target, policy=spec.options.roles, reporter=reporter)
    patiently(roles, control=control, reporter=reporter)
    reporter.report(StepFinished(Step.ROLES))


def job_of(
    spec: MigrationSpec,
    database: DatabaseSpec,
    servers: Servers,
    *,
    reporter: Reporter,
    control: Control,
    queue_for: Callable[[DatabaseSpec], PartQueue],
    work_dir: Path,
) -> DatabaseJob:
    """Return the work on one database."""
    return DatabaseJob(
        spec=spec,
        database=database,
        source=servers.source,
        target=servers.target,
        reporter=reporter,
        control=control,
        queue=queue_for(database),
        markers=Markers(spec.id, database.id, control.fence),
        work_dir=_made(work_dir / database.id),
    )


def run_tag(migration_id: str, *, fence: int) -> str:
    """Return how the sessions of a run are named in pg_stat_activity."""
    return f"pgmig/{migration_id[:8]}/{fence}"


def end_older_runs(spec: MigrationSpec, servers: Servers) -> None:
    """A run that was killed may have left sessions behind that still work; they must not meet ours."""
    if servers.source.control.fence < 2:
        return  # the first run of a migration
    for server in (servers.source, servers.target):
        server.terminate_sessions(f"pgmig/{spec.id[:8]}/", keep_tag=f"{server.tag}/")


def validate_first(spec: MigrationSpec, servers: Servers, reporter: Reporter) -> None:
    """Validate where that is wanted and was not done. Raises ``ValidationFailed``, ``ConsentToWarningsMissing``."""
    if spec.option is MigrationOption.MIGRATE or spec.validated:
        return
    reporter.report(StepStarted(Step.VALIDATE))
    findings = validate(spec, servers.source, servers.target, reporter)
    failed = [finding for finding in findings if finding.level is Level.FAILED]
    if failed:
        raise ValidationFailed(
            f"Validation found {counted(len(failed), 'reason')} why the migration would fail. "
            f"The first: {failed[0].subject}: {failed[0].saw}",
            hint="Mend what the findings name, then resume.",
        )
    reporter.report(StepFinished(Step.VALIDATE))
    _wait_for_consent(spec, [finding for finding in findings if finding.level in ACCEPTABLE])


def _wait_for_consent(spec: MigrationSpec, warnings: Sequence[Finding]) -> None:
    """Let a person decide, where the migration is set to; a run that finds the validation done does not ask again."""
    moves = spec.option is MigrationOption.VALIDATE_AND_MIGRATE
    if moves and warnings and spec.options.at_warnings is AtWarnings.WAIT:
        raise ConsentToWarningsMissing(
            f"Validation found {counted(len(warnings), 'warning')}.",
            hint="Accept each, or mend what it names; then the migration goes on.",
        )


def forget_notes_of_finished(job: DatabaseJob) -> None:
    """A database that was finished earlier may be in use, renamed or gone by now; that is its owner's business."""
    try:
        forget_notes(job)
    except Stopped:
        raise
    except EngineError as error:
        job.note(f"{job.database.target_name} was finished before and cannot be reached now: {error.message}")


def failed(job: DatabaseJob, error: EngineError) -> DatabaseOutcome:
    """Report that a database failed, with what is on the target now."""
    job.control.check()
    job.reporter.report(
        DatabaseFailed(
            job.database.id,
            message=error.message,
            hint=error.hint,
            server_message=error.server_message,
            on_target=describe_target(job),
        )
    )
    return DatabaseOutcome(job.database.id, NOT_VERIFIED, error=error)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory
