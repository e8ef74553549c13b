"""Move databases offline: one consistent copy each, then everything that depends on it, then the proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from migrations_app.engine import verification
from migrations_app.engine.control import Control
from migrations_app.engine.errors import (
    EngineError,
    ModeNotPossible,
    Stopped,
)
from migrations_app.engine.events import (
    DatabaseFinished,
    DatabaseStarted,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_object_rights import restore_large_object_rights
from migrations_app.engine.materialized_views import refresh_materialized_views
from migrations_app.engine.migrating import (
    NOT_VERIFIED,
    DatabaseOutcome,
    Outcome,
    bring_roles,
    end_older_runs,
    failed,
    forget_notes_of_finished,
    job_of,
    run_tag,
    servers_of,
    validate_first,
)
from migrations_app.engine.patience import patiently
from migrations_app.engine.portal_disk import portal_disk_explained
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.schema.post_data import restore_owners_and_grants, restore_post_data
from migrations_app.engine.sequences import copy_sequences
from migrations_app.engine.spec import DatabaseSpec, MigrationMode, MigrationOption, MigrationSpec, VerificationLevel
from migrations_app.engine.table_copy.stage import CopyStage
from migrations_app.engine.target.database import prepare_target
from migrations_app.engine.target.event_triggers import tell_asleep
from migrations_app.engine.target.finish import analyze_rest, durable, forget_notes
from migrations_app.engine.target.settings import restore_database_settings

__all__ = ["DatabaseOutcome", "Outcome", "migrate", "run_tag"]


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
    servers = servers_of(spec, control)
    end_older_runs(spec, servers)
    validate_first(spec, servers, reporter)
    if spec.option is MigrationOption.VALIDATE:
        return Outcome(())
    bring_roles(spec, servers, reporter=reporter, control=control)
    jobs = (
        job_of(spec, database, servers, reporter=reporter, control=control, queue_for=queue_for, work_dir=work_dir)
        for database in spec.databases
    )
    return Outcome(tuple(_move_or_fail(job) for job in jobs))


def _refuse_online(spec: MigrationSpec) -> None:
    """Who chose Online goes on writing to the source: an offline copy would lose that."""
    if spec.mode is MigrationMode.ONLINE and spec.option is not MigrationOption.VALIDATE:
        raise ModeNotPossible(
            "The mode is Online, and this is the offline copy: what is written to the source after its start would not "
            "move.",
            hint="Change the mode to Offline and stop what writes to the source; or choose the option Validate, which "
            "moves nothing.",
        )


def _move_or_fail(job: DatabaseJob) -> DatabaseOutcome:
    """Move one database; a failure that is expected ends the database and not the others."""
    if job.database.finished:
        forget_notes_of_finished(job)
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
        return failed(job, error)


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
