"""Begin to follow a database: publication, slot, the copy in the slot's snapshot, and all that can be there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from migrations_app.engine.events import Direction, ReplicationStarted, Step, StepFinished, StepStarted
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_object_rights import restore_large_object_rights
from migrations_app.engine.materialized_views import refresh_materialized_views
from migrations_app.engine.postgres import Connection, Error
from migrations_app.engine.replication import subscription
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.choosing import Choice, choose
from migrations_app.engine.replication.engines import make_engine
from migrations_app.engine.replication.follow_note import FollowNote, change_note, look_up_note, write_note
from migrations_app.engine.replication.guarded_copy import guarded_copy
from migrations_app.engine.replication.heartbeat import make_heartbeat
from migrations_app.engine.replication.identities import send_whole_rows
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.logical_slot import hold_slot_snapshot, read_slot
from migrations_app.engine.replication.phases import Phase, enter_phase
from migrations_app.engine.replication.plan import ReplicationPlan, Treatment
from migrations_app.engine.replication.planning import left_alone, not_comparable, plan_replication
from migrations_app.engine.replication.publication import publication_names, publish
from migrations_app.engine.replication.source_identity import read_source_identity
from migrations_app.engine.replication.stream_gaps import read_definitions, read_marks
from migrations_app.engine.schema.post_data import restore_owners_and_grants, restore_post_data
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.table_copy.again import COPIED
from migrations_app.engine.table_copy.stage import CopyStage
from migrations_app.engine.table_locks import SourceRewritten
from migrations_app.engine.target.finish import analyze_rest, durable
from migrations_app.engine.target.guards import lend_withheld_rights, put_guards_to_sleep
from migrations_app.engine.target.settings import restore_database_settings

AS_REPLICA = "SET LOCAL session_replication_role = replica"
EMPTY_HEARTBEAT = "DELETE FROM _migration_portal.heartbeat"


def link_of(job: DatabaseJob, plan: ReplicationPlan) -> Link:
    """Return how the changes of ``plan`` travel from the source to the target."""
    return Link(
        publisher=job.source,
        publisher_database=job.database.source_name,
        subscriber=job.target,
        subscriber_database=job.database.target_name,
        name=plan.name,
        tables=plan.followed,
        fence=job.markers.fence,
        encoding=job.encoding,
        codec=job.codec,
        address=job.spec.online.source_as_seen_by_target,
        also_published=publication_names(plan)[1:],
        passes_over=plan.passed_over,
    )


def begins_anew(job: DatabaseJob) -> bool:
    """Tell whether a database that was followed has no slot since a clean-up; then it is made ready to be copied again.

    The rows on the target are kept where they are the same in the snapshot of a new slot; nobody uses them before the
    cutover. A subscription whose slot went missing is no such case: that fails first, and a person decides.
    """
    note = look_up_note(job)
    if note is None or _has_slot(job, note):
        return False
    link = link_of(job, note.plan)
    with job.target.connected(job.database.target_name, purpose="look", read_only=True) as target:
        if note.engine is ApplyKind.SERVER_TO_SERVER and subscription.exists(target, link.name):
            return False
    make_engine(job, link, note.engine, made_before=note.apply_began).remove()
    enter_phase(job, Phase.COPYING)
    job.note(
        f"The replication slot {link.name} is gone. The rows on the target are compared with the source as it is now, "
        "and tables that changed are copied again.",
        level=Level.WARNING,
    )
    return True


def copy_and_follow(job: DatabaseJob) -> None:
    """Copy a database in the snapshot of its slot, and restore what need not wait for the cutover.

    Sequences, the rest of the large objects, the last properties and the comparison are the cutover's. A copy that was
    complete keeps its slot; else a new slot is made, and what was copied is kept where it is the same in its snapshot.
    """
    _forget_copy_without_slot(job)
    with guarded_copy(job) as guarded, durable(guarded):
        stage = CopyStage(guarded, new_snapshot=slot_snapshot, with_digests=False)
        stage.run()
        _restore_the_rest(guarded, stage)
    change_note(job, losses=tuple(job.losses))
    enter_phase(job, Phase.FOLLOWING)


def _forget_copy_without_slot(job: DatabaseJob) -> None:
    """Rows that were copied in the snapshot of a slot that is gone cannot be followed any more."""
    note = look_up_note(job)
    if note is not None and _has_slot(job, note):
        return
    with job.target.connected(job.database.target_name, purpose="look") as target, target.transaction():
        job.markers.hold_on(target)
        if COPIED in job.markers.read(target, "step"):
            job.markers.forget(target, kind="step", keys=[COPIED])
            job.note("The slot of the copied rows is gone; they are compared with the source as it is now.")


def _has_slot(job: DatabaseJob, note: FollowNote) -> bool:
    with job.source.connected(job.database.source_name, purpose="look") as source:
        slot = read_slot(source, note.plan.name)
    return slot is not None and not slot.is_lost


@contextmanager
def slot_snapshot(job: DatabaseJob) -> Iterator[Snapshot]:
    """Make all that is needed on the source anew, and yield the snapshot with which the changes begin."""
    database = job.database.source_name
    with job.source.connected(database, purpose="plan") as source:
        plan, identity = plan_replication(job, source), read_source_identity(source)
        _tell_plan(job, plan, alone=left_alone(job, source, plan))
        unfindable = not_comparable(source, plan)
    choice = choose(job, link_of(job, plan), unfindable=unfindable)
    if plan.with_heartbeat:
        _make_heartbeats(job)
    send_whole_rows(job, plan)
    publish(job.source, database, plan)
    with job.source.connected(database, purpose="plan") as source:
        published = read_marks(source, publication_names(plan))
        defined = read_definitions(source, publication_names(plan))
    with hold_slot_snapshot(job, name=plan.name) as (snapshot, begins_at):
        _require_same_plan(job, snapshot, plan)
        write_note(
            job, FollowNote(choice.kind, choice.reason, begins_at, plan, identity, published=published, defined=defined)
        )
        _tell_start(job, plan, choice, begins_at=begins_at)
        yield snapshot


def _make_heartbeats(job: DatabaseJob) -> None:
    """Both tables begin empty, so that the first row is an insertion behind the slot."""
    places = ((job.source, job.database.source_name), (job.target, job.database.target_name))
    for server, database in places:
        make_heartbeat(server, database)
        with server.connected(database, purpose="heartbeat", read_only=False) as connection:
            connection.execute(EMPTY_HEARTBEAT)


def _require_same_plan(job: DatabaseJob, snapshot: Snapshot, plan: ReplicationPlan) -> None:
    with snapshot.reader("plan") as source:
        if plan_replication(job, source) != plan:
            raise SourceRewritten(
                f"Tables of {snapshot.database} were made, changed or dropped while its slot was made.",
                hint="Let nobody change the schema while the database is copied.",
                server_message="The publication no longer has the tables that the snapshot has.",
            )


def _tell_plan(job: DatabaseJob, plan: ReplicationPlan, *, alone: list[str]) -> None:
    again = [table.label for table in plan.copied_at_cutover]
    inserts = [table.label for table in plan.tables if table.treatment is Treatment.INSERTS_ONLY]
    if again:
        job.note(f"Copied again at the cutover, since their changes cannot be followed: {', '.join(again)}.")
    if inserts:
        job.note(f"Only new rows of these tables are followed, as chosen: {', '.join(inserts)}.", level=Level.WARNING)
    if alone:
        job.note(f"Extensions' own tables are copied once and not followed: {', '.join(alone)}.")


def _tell_start(job: DatabaseJob, plan: ReplicationPlan, choice: Choice, *, begins_at: int) -> None:
    job.reporter.report(
        ReplicationStarted(
            job.database.id,
            Direction.FORWARD,
            choice.kind,
            choice.reason,
            slot=plan.name,
            tables=len(plan.followed),
            begins_at_lsn=begins_at,
        )
    )


def _restore_the_rest(job: DatabaseJob, stage: CopyStage) -> None:
    job.reporter.report(StepStarted(Step.CONSTRAINTS, job.database.id))
    restore_post_data(job, stage.remaining_entries)
    put_guards_to_sleep(job, ordinary_too=_acts_as_user(job))
    refresh_materialized_views(job)
    restore_owners_and_grants(job, [*stage.dump.pre_data, *stage.dump.post_data])
    lend_withheld_rights(job)
    restore_large_object_rights(job)
    restore_database_settings(job)
    analyze_rest(job)
    job.reporter.report(StepFinished(Step.CONSTRAINTS, job.database.id))


def _acts_as_user(job: DatabaseJob) -> bool:
    """Tell whether every trigger would act on applied rows: the portal applies them and may not be a replica."""
    note = look_up_note(job)
    if note is None or note.engine is ApplyKind.SERVER_TO_SERVER:
        return False
    with job.target.connected(job.database.target_name, purpose="look") as target:
        return not _may_be_replica(job, target)


def _may_be_replica(job: DatabaseJob, target: Connection) -> bool:
    try:
        with target.transaction():
            target.execute(AS_REPLICA)
    except Error:
        if target.closed or job.control.stopping:
            raise
        return False
    return True
