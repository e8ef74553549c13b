"""What the engine reports of a database that is followed becomes rows, states and lines for people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from migrations_app.engine.control import Control
from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.events import (
    CaughtUp,
    CutoverBegan,
    CutoverEnded,
    CutoverStepFinished,
    CutoverStepStarted,
    DatabaseFailed,
    Direction,
    OldSourceVisited,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.models import (
    CutoverAttempt,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    OldSourceVisitor,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    ReplicationSample,
    State,
    Substate,
)
from migrations_app.services.lease import Lease
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.recording import phases
from migrations_app.services.recording.replication import ReplicationLedger
from tests.services.conftest import take_over
from tests.services.following import MIB, cutover, make_online, sampled, started

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def followed(lease: Lease) -> Lease:
    make_online(Migration.objects.get())
    return lease


def recorder_of(lease: Lease) -> ProgressRecorder:
    return ProgressRecorder(lease.migration_id, control=Control(fence=lease.fence))


def id_of(name: str) -> str:
    return str(MigrationDatabase.objects.get(source_name=name).pk)


def migration() -> Migration:
    return Migration.objects.get()


def lines() -> list[str]:
    return list(MigrationEvent.objects.order_by("id").values_list("message", flat=True))


def test_the_newest_numbers_are_a_row_and_each_sample_is_kept(followed: Lease) -> None:
    shop = id_of("shop")
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(sampled(shop, inserts=3, updates=2, deletes=1, open_bytes=70 * MIB))
        recorder.report(
            sampled(shop, applied=18 * MIB, inserts=30, updates=20, deletes=10, transactions=4, open_bytes=0)
        )
    row = Replication.objects.get()
    assert (row.engine, row.slot, row.tables, row.direction) == ("server_to_server", "pgmig_4b1e_shop", 7, "forward")
    assert (row.state, row.lag_bytes, row.lag_seconds, row.changes) == ("applying", 0, 0.4, 60)
    assert (row.transactions, row.truncates, row.retained_wal_bytes) == (4, None, 5 * MIB)
    assert (row.open_bytes, row.most_open_bytes) == (0, 70 * MIB)
    assert list(row.samples.values_list("changes", "lag_bytes")) == [(6, MIB), (60, 0)]
    assert lines() == [
        "7 tables are followed from 0/1000000 on (slot pgmig_4b1e_shop), server to server, because the target reaches "
        "the source."
    ]


def test_a_run_that_goes_on_tells_nothing_twice(followed: Lease) -> None:
    shop = id_of("shop")
    for _ in range(2):
        with recorder_of(followed) as recorder:
            recorder.report(started(shop))
            recorder.report(sampled(shop))
            recorder.report(CaughtUp(shop))
    assert len(lines()) == 2
    assert ReplicationSample.objects.count() == 2


def test_another_slot_is_a_new_beginning(followed: Lease) -> None:
    shop = id_of("shop")
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(sampled(shop, inserts=3))
        recorder.report(CaughtUp(shop))
        recorder.settle()
        recorder.report(started(shop, begins_at=99 * MIB))
    row = Replication.objects.get()
    assert (row.begins_at_lsn, row.changes, row.caught_up_at, row.samples.count()) == (99 * MIB, None, None, 0)
    assert MigrationDatabase.objects.get(pk=shop).phase == OnlinePhase.FOLLOWING


def test_an_error_of_the_apply_is_told_once_with_its_remedy(followed: Lease) -> None:
    shop = id_of("shop")
    words = {"error": "A row of public.a exists already.", "hint": "Delete it.", "server_message": "duplicate \x00key"}
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(sampled(shop))
        for _ in range(3):
            recorder.report(sampled(shop, state=ApplyState.BROKEN, **words))
        recorder.settle()
        row = Replication.objects.get()
        assert (row.state, row.error, row.error_hint) == ("broken", words["error"], "Delete it.")
        assert row.error_server_message == "duplicate key"
        recorder.report(sampled(shop))
    assert lines()[1:] == ["Replication stopped: A row of public.a exists already.", "Replication goes on."]
    assert Replication.objects.get().error == ""


def test_samples_thin_out_as_they_age(followed: Lease) -> None:
    shop = id_of("shop")
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
    row = Replication.objects.get()
    now = timezone.now()
    ages = [
        *range(0, 480, 2),
        *range(3600, 7200, 10),
        *range(2 * 86400, 2 * 86400 + 7200, 60),
        *range(15 * 86400, 15 * 86400 + 60, 2),
    ]
    ReplicationSample.objects.bulk_create(
        ReplicationSample(replication=row, at=now - timedelta(seconds=age), source_lsn=1, applied_lsn=1, lag_bytes=0)
        for age in ages
    )
    ReplicationLedger(followed.migration_id).write()
    minutes = [(now - at).total_seconds() for at in row.samples.values_list("at", flat=True)]
    assert sum(age < 600 for age in minutes) == 240
    assert 60 <= sum(600 < age < 86400 for age in minutes) <= 61
    assert 8 <= sum(86400 < age < 14 * 86400 for age in minutes) <= 9
    assert not [age for age in minutes if age > 14 * 86400]


def test_it_waits_for_the_cutover_when_the_last_database_is_caught_up(followed: Lease) -> None:
    with recorder_of(followed) as recorder:
        recorder.report(started(id_of("shop")))
        recorder.report(started(id_of("crm")))
        recorder.report(CaughtUp(id_of("shop")))
        recorder.settle()
        assert migration().state == State.IN_PROGRESS
        assert MigrationDatabase.objects.get(source_name="shop").state == State.WAITING_FOR_USER
        recorder.report(CaughtUp(id_of("crm")))
        recorder.settle()
        assert (migration().state, migration().substate) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER)
        recorder.report(StepStarted(Step.CATCH_UP, id_of("crm")))
    assert migration().substate == Substate.WAITING_FOR_CUTOVER


def test_a_failed_database_does_not_keep_the_others_waiting(followed: Lease) -> None:
    with recorder_of(followed) as recorder:
        recorder.report(started(id_of("shop")))
        recorder.report(CaughtUp(id_of("shop")))
        recorder.report(started(id_of("crm")))
        recorder.report(DatabaseFailed(id_of("crm"), "It broke."))
    assert migration().state == State.WAITING_FOR_USER
    assert MigrationDatabase.objects.get(source_name="crm").state == State.FAILED


def test_what_was_asked_of_a_database_ends_with_its_failure(followed: Lease) -> None:
    for name in ("shop", "crm"):
        ReplicationRequest.objects.create(database_id=id_of(name), kind=RequestKind.CUTOVER.value)
    with recorder_of(followed) as recorder:
        for name in ("shop", "crm"):
            recorder.report(started(id_of(name)))
        recorder.report(DatabaseFailed(id_of("crm"), message="The slot is gone."))
    ended = ReplicationRequest.objects.get(ended_at__isnull=False)
    assert str(ended.database_id) == id_of("crm") and ended.succeeded is False and "failed" in ended.message


def test_a_cutover_that_is_undone_waits_again_and_says_why(followed: Lease) -> None:
    shop = id_of("shop")
    MigrationDatabase.objects.filter(source_name="crm").delete()
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(CaughtUp(shop))
        recorder.settle()
        events = cutover(shop, result=CutoverResult.UNDONE, message="The drain took longer than 600 s.")
        recorder.report(next(events))
        recorder.settle()
        assert (migration().state, migration().substate) == (State.IN_PROGRESS, Substate.COMPLETING)
        for event in events:
            recorder.report(event)
        assert (migration().state, migration().substate) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER)
    attempt = CutoverAttempt.objects.get()
    assert (attempt.result, attempt.message) == ("undone", "The drain took longer than 600 s.")
    assert MigrationDatabase.objects.get().phase == OnlinePhase.READY
    assert "Cutover was undone. The drain took longer than 600 s." in lines()


def test_a_rehearsal_changes_no_state(followed: Lease) -> None:
    shop = id_of("shop")
    MigrationDatabase.objects.filter(source_name="crm").delete()
    request = ReplicationRequest.objects.create(database_id=shop, kind=RequestKind.REHEARSE)
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(CaughtUp(shop))
        for event in cutover(shop, result=CutoverResult.REHEARSED):
            recorder.report(event)
    attempt = CutoverAttempt.objects.get()
    assert (attempt.is_rehearsal, attempt.result, attempt.request) == (True, "rehearsed", request)
    assert migration().substate == Substate.WAITING_FOR_CUTOVER
    assert "Rehearsed: a cutover would take about 3.2 s now." in lines()


def test_a_cutover_goes_on_in_another_run(followed: Lease) -> None:
    shop = id_of("shop")
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(CaughtUp(shop))
        recorder.report(CutoverBegan(shop, Direction.FORWARD, is_rehearsal=False))
        recorder.report(CutoverStepStarted(shop, CutoverStep.FENCE))
    began_at = CutoverAttempt.objects.get().began_at
    with recorder_of(take_over(followed.migration_id)) as recorder:
        recorder.report(CutoverBegan(shop, Direction.FORWARD, is_rehearsal=False))
        recorder.report(CutoverStepFinished(shop, CutoverStep.FENCE, detail="Closed."))
        recorder.report(CutoverEnded(shop, CutoverResult.UNDONE, 9.0, 0))
    attempt = CutoverAttempt.objects.get()
    assert (attempt.began_at, attempt.result) == (began_at, "undone")
    step = attempt.steps.get()
    assert (step.detail, step.started_at >= began_at, step.ended_at is not None) == ("Closed.", True, True)


def test_an_interrupted_rehearsal_makes_room_for_a_cutover(followed: Lease) -> None:
    shop = id_of("shop")
    with recorder_of(followed) as recorder:
        recorder.report(CutoverBegan(shop, Direction.FORWARD, is_rehearsal=True))
        recorder.settle()
        recorder.report(CutoverBegan(shop, Direction.FORWARD, is_rehearsal=False))
    first, second = CutoverAttempt.objects.all()
    assert (first.result, first.message, second.ended_at) == ("undone", "It was interrupted.", None)


def test_a_migration_that_is_being_canceled_keeps_saying_so(followed: Lease) -> None:
    Migration.objects.update(cancel_requested_at=timezone.now(), substate=Substate.CANCELING)
    with recorder_of(followed) as recorder:
        for name in ("shop", "crm"):
            recorder.report(started(id_of(name)))
            recorder.report(CaughtUp(id_of(name)))
    assert (migration().state, migration().substate) == (State.IN_PROGRESS, Substate.CANCELING)


def test_the_end_of_a_cutover_is_not_stored_by_a_run_that_is_over(followed: Lease) -> None:
    shop = id_of("shop")
    recorder = recorder_of(followed)
    with pytest.raises(LeaseLost), recorder:
        recorder.report(CutoverBegan(shop, Direction.FORWARD, is_rehearsal=False))
        recorder.settle()
        take_over(followed.migration_id)
        recorder.report(CutoverEnded(shop, CutoverResult.DONE, 1.0, 1))
    assert CutoverAttempt.objects.get().ended_at is None
    assert MigrationDatabase.objects.get(pk=shop).phase == OnlinePhase.CUTTING_OVER


@pytest.mark.parametrize(
    ("living", "fall_back", "wanted"),
    [
        ([], True, None),
        ([OnlinePhase.NONE], True, None),
        ([OnlinePhase.FOLLOWING, OnlinePhase.READY], False, (State.IN_PROGRESS, Substate.MIGRATING_DATA)),
        ([OnlinePhase.NONE, OnlinePhase.READY], False, None),
        ([OnlinePhase.CUTTING_OVER, OnlinePhase.NONE], False, (State.IN_PROGRESS, Substate.COMPLETING)),
        ([OnlinePhase.GOING_BACK, OnlinePhase.CUT_OVER], True, (State.IN_PROGRESS, Substate.COMPLETING)),
        ([OnlinePhase.READY, OnlinePhase.CUT_OVER], True, (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER)),
        ([OnlinePhase.CUT_OVER], True, (State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK)),
        ([OnlinePhase.CUT_OVER], False, None),
    ],
)
def test_what_the_phases_of_its_databases_make_of_a_migration(
    living: list[OnlinePhase], fall_back: bool, wanted: tuple[State, Substate] | None
) -> None:
    assert phases.wanted_state(living, has_fall_back=fall_back) == wanted


def test_a_cutover_is_a_step_of_the_rail_and_a_rehearsal_is_none(followed: Lease) -> None:
    shop = id_of("shop")
    MigrationDatabase.objects.filter(source_name="crm").delete()
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(StepStarted(Step.CATCH_UP, shop))
        recorder.report(StepFinished(Step.CATCH_UP, shop))
        recorder.report(CaughtUp(shop))
        for event in cutover(shop, result=CutoverResult.REHEARSED, verifies=True):
            recorder.report(event)
        assert set(migration().step_times) == {"catch_up"}
        for event in cutover(shop, result=CutoverResult.UNDONE, verifies=True):
            recorder.report(event)
        assert set(migration().step_times) == {"catch_up"}
        for event in cutover(shop, verifies=True):
            recorder.report(event)
    times = migration().step_times
    assert {step: times[step]["state"] for step in times} == {"catch_up": "done", "cutover": "done", "verify": "done"}


def test_catching_up_again_at_every_look_is_no_news(followed: Lease) -> None:
    shop = id_of("shop")
    for _ in range(3):
        with recorder_of(followed) as recorder:
            recorder.report(started(shop))
            recorder.report(StepFinished(Step.CATCH_UP, shop))
            recorder.report(CaughtUp(shop))
        first = migration().step_times["catch_up"]["ended_at"]
    assert migration().step_times["catch_up"]["ended_at"] == first
    assert len(lines()) == 2


def test_the_way_back_is_kept_though_nobody_told_its_begin(followed: Lease) -> None:
    shop = id_of("shop")
    Migration.objects.update(fall_back=True)
    with recorder_of(followed) as recorder:
        recorder.report(started(shop))
        recorder.report(CaughtUp(shop))
        for event in cutover(shop):
            recorder.report(event)
        recorder.report(sampled(shop, direction=Direction.REVERSE))
    row = Replication.objects.get(direction="reverse")
    assert (row.engine, row.state, row.tables, row.samples.count()) == ("through_portal", "applying", 7, 1)


def test_who_comes_to_the_old_source_again_is_one_row(followed: Lease) -> None:
    shop = id_of("shop")
    for fresh, writes in ((2, True), (1, False)):  # two runs: a worker that takes over goes on with the same rows
        with recorder_of(followed) as recorder:
            for role in ("shop_app", "postgres"):
                recorder.report(OldSourceVisited(shop, role, "10.0.0.7", "billing", fresh, role == "postgres", writes))
    row = OldSourceVisitor.objects.get(role="shop_app")
    assert (row.sessions, row.is_writing, row.is_superuser) == (3, True, False)
    assert row.last_seen_at > row.first_seen_at and OldSourceVisitor.objects.count() == 2
