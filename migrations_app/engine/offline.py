"""Move databases offline: one consistent copy each, then everything that depends on it, then the proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrations_app.engine import verification
from migrations_app.engine.control import Control
from migrations_app.engine.errors import (
    ConsentToWarningsMissing,
    EngineError,
    ModeNotPossible,
    Stopped,
    ValidationFailed,
)
from migrations_app.engine.events import (
    CheckResult,
    DatabaseFailed,
    DatabaseFinished,
    DatabaseStarted,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.findings import ACCEPTABLE, Finding, Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_object_rights import restore_large_object_rights
from migrations_app.engine.materialized_views import refresh_materialized_views
from migrations_app.engine.patience import patiently
from migrations_app.engine.portal_disk import portal_disk_explained
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.postgres import Server
from migrations_app.engine.roles.copy_roles import copy_roles
from migrations_app.engine.schema.post_data import restore_owners_and_grants, restore_post_data
from migrations_app.engine.sequences import copy_sequences
from migrations_app.engine.spec import (
    AtWarnings,
    DatabaseSpec,
    MigrationMode,
    MigrationOption,
    MigrationSpec,
    VerificationLevel,
)
from migrations_app.engine.table_copy.stage import CopyStage
from migrations_app.engine.target.database import prepare_target
from migrations_app.engine.target.event_triggers import tell_asleep
from migrations_app.engine.target.finish import analyze_rest, describe_target, durable, forget_notes
from migrations_app.engine.target.markers import Markers
from migrations_app.engine.target.settings import restore_database_settings
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
    """How a migration ended, database by database."""

    databases: tuple[DatabaseOutcome, ...]

    @property
    def succeeded(self) -> bool:
        """True when every database succeeded."""
        return all(database.succeeded for database in self.databases)


def migrate(
    spec: MigrationSpec,
    *,
    reporter: Reporter,
    control: Control,
    queue_for: Callable[[DatabaseSpec], PartQueue],
    work_dir: Path,
) -> Outcome:
    """Validate and move every database of ``spec``, one after the other; what is done already is not done again.

    A database that fails does not stop the others. Raises ``ValidationFailed``, ``ConsentToWarningsMissing``,
    ``ModeNotPossible``, ``EngineError`` for what concerns both servers as a whole, and the reason to stop
    (``Canceled``, ``LeaseLost``).
    """
    _refuse_online(spec)
    tag = run_tag(spec.id, fence=control.fence)
    source = Server(spec.source, tag=tag, control=control)
    target = Server(spec.target, tag=tag, control=control)
    _end_older_runs(spec, source, target)
    _validate(spec, source, target, reporter)
    if spec.option is MigrationOption.VALIDATE:
        return Outcome(())
    reporter.report(StepStarted(Step.ROLES))
    roles = partial(copy_roles, source, target, policy=spec.options.roles, reporter=reporter)
    patiently(roles, control=control, reporter=reporter)
    reporter.report(StepFinished(Step.ROLES))
    jobs = (
        DatabaseJob(
            spec=spec,
            database=database,
            source=source,
            target=target,
            reporter=reporter,
            control=control,
            queue=queue_for(database),
            markers=Markers(spec.id, database.id, control.fence),
            work_dir=_made(work_dir / database.id),
        )
        for database in spec.databases
    )
    return Outcome(tuple(_move_or_fail(job) for job in jobs))


def run_tag(migration_id: str, *, fence: int) -> str:
    """Return how the sessions of a run are named in pg_stat_activity."""
    return f"pgmig/{migration_id[:8]}/{fence}"


def _refuse_online(spec: MigrationSpec) -> None:
    """Who chose Online goes on writing to the source: an offline copy would lose that."""
    if spec.mode is MigrationMode.ONLINE and spec.option is not MigrationOption.VALIDATE:
        raise ModeNotPossible(
            "The mode is Online, and this is the offline copy: what is written to the source after its start would not "
            "move.",
            hint="Change the mode to Offline and stop what writes to the source; or choose the option Validate, which "
            "moves nothing.",
        )


def _end_older_runs(spec: MigrationSpec, source: Server, target: Server) -> None:
    """A run that was killed may have left sessions behind that still work; they must not meet ours."""
    if source.control.fence < 2:
        return  # the first run of a migration
    for server in (source, target):
        server.terminate_sessions(f"pgmig/{spec.id[:8]}/", keep_tag=f"{server.tag}/")


def _validate(spec: MigrationSpec, source: Server, target: Server, reporter: Reporter) -> None:
    if spec.option is MigrationOption.MIGRATE or spec.validated:
        return
    reporter.report(StepStarted(Step.VALIDATE))
    findings = validate(spec, source, target, reporter)
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


def _move_or_fail(job: DatabaseJob) -> DatabaseOutcome:
    """Move one database; a failure that is expected ends the database and not the others."""
    if job.database.finished:
        _forget_notes_of_finished(job)
        return DatabaseOutcome(job.database.id, job.database.finished)
    job.reporter.report(DatabaseStarted(job.database.id))
    try:
        with portal_disk_explained():
            return patiently(
                lambda: _move(job), control=job.control, reporter=job.reporter, database_id=job.database.id
            )
    except Stopped:
        raise
    except EngineError as error:
        return _failed(job, error)


def _forget_notes_of_finished(job: DatabaseJob) -> None:
    """A database that was finished earlier may be in use, renamed or gone by now; that is its owner's business."""
    try:
        forget_notes(job)
    except Stopped:
        raise
    except EngineError as error:
        job.note(f"{job.database.target_name} was finished before and cannot be reached now: {error.message}")


def _failed(job: DatabaseJob, error: EngineError) -> DatabaseOutcome:
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


def _move(job: DatabaseJob) -> DatabaseOutcome:
    """The recipe for one database."""
    job.losses.clear()
    for server in (job.source, job.target):
        server.terminate_sessions(f"{server.tag}/")  # an attempt whose connections went silent may still hold locks
    job = prepare_target(job)
    stage = CopyStage(job)
    with durable(job):
        stage.run()
        _restore_the_rest(job, stage)
    outcome = DatabaseOutcome(job.database.id, _verify(job, stage), losses=tuple(job.losses))
    if not outcome.succeeded:
        tell_asleep(job)
    job.reporter.report(DatabaseFinished(job.database.id, outcome.verified, losses=outcome.losses))
    if outcome.succeeded:
        forget_notes(job)
    return outcome


def _restore_the_rest(job: DatabaseJob, stage: CopyStage) -> None:
    job.reporter.report(StepStarted(Step.CONSTRAINTS, job.database.id))
    restore_post_data(job, stage.remaining_entries)
    copy_sequences(job)
    refresh_materialized_views(job)
    restore_owners_and_grants(job, [*stage.dump.pre_data, *stage.dump.post_data])
    restore_large_object_rights(job)
    restore_database_settings(job)
    analyze_rest(job)
    job.reporter.report(StepFinished(Step.CONSTRAINTS, job.database.id))


def _verify(job: DatabaseJob, stage: CopyStage) -> str:
    if job.spec.options.verification is VerificationLevel.NONE:
        return NOT_VERIFIED
    job.reporter.report(StepStarted(Step.VERIFY, job.database.id))
    result = verification.verify_database(
        job.spec,
        job.database,
        job.source,
        job.target,
        stage.tables,
        stage.digests,
        job.spec.options.verification,
        job.reporter,
        job.control,
        job.jobs,
    )
    job.reporter.report(StepFinished(Step.VERIFY, job.database.id, detail=str(result)))
    return str(result)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory
