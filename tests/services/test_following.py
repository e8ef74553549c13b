"""A migration that is followed: its lease, its rest, its requests and its end. Only the engine is a function."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionFailed, EngineError
from migrations_app.engine.events import CaughtUp, DatabaseFinished, DatabaseStarted, Direction, Step, StepStarted
from migrations_app.engine.ports import Reporter, RequestKind, Requests
from migrations_app.engine.spec import AtWarnings, DatabaseSpec, MigrationSpec
from migrations_app.models import (
    CutoverAttempt,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    MigrationFinding,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    Run,
    State,
    Substate,
)
from migrations_app.selectors.actions import Action, actions_for
from migrations_app.services.conductor import conduct
from migrations_app.services.consent import Person
from migrations_app.services.lease import claim, release
from migrations_app.services.reconcile import reconcile
from migrations_app.services.requests import request_cutover, request_finish, request_go_back
from migrations_app.services.runs import ActionRefused, migration_cancel, migration_resume, migrations_to_ring
from tests.services.following import OnlineEngine, cut_over_when_asked, cutover, make_online, sampled, started
from tests.services.test_conductor import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = Person(name="test")
LONG_AGO = timedelta(0)


class CleanUp:
    """Keeps how often it was asked, and fails where it was told to."""

    def __init__(self, error: EngineError | None = None) -> None:
        self.calls = 0
        self.error = error

    def __call__(self, spec: MigrationSpec, *, reporter: Reporter, control: Control) -> None:
        self.calls += 1
        control.check()
        if self.error:
            raise self.error


class Conductor(threading.Thread):
    """A worker that follows."""

    def __init__(self, migration: Migration, engine: OnlineEngine, clean_up: CleanUp | None = None) -> None:
        super().__init__()
        self.migration, self.engine, self.clean_up, self.said = migration, engine, clean_up or CleanUp(), ""
        self.start()

    def run(self) -> None:
        try:
            self.said = conduct(self.migration.pk, online=self.engine, clean_up=self.clean_up)
        finally:
            connection.close()


@pytest.fixture
def online(queued: Migration) -> Migration:
    make_online(queued)
    return queued


def now(migration: Migration) -> tuple[str, str]:
    row = Migration.objects.get(pk=migration.pk)
    return row.state, row.substate


def wait_for_cutover(migration: Migration) -> None:
    wait_for(lambda: now(migration) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER))


def never(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
    return False


def test_it_waits_under_its_lease_and_cuts_over_when_asked(online: Migration, dana: User) -> None:
    conductor = Conductor(online, OnlineEngine(cut_over_when_asked))
    wait_for_cutover(online)
    assert Run.objects.get().lease_until is not None
    asked = request_cutover(online.pk, by=Person(user=dana, address="192.0.2.7"))
    assert len(asked) == 2
    conductor.join()
    assert conductor.said == State.SUCCEEDED
    assert now(online) == (State.SUCCEEDED, Substate.COMPLETED)
    states = MigrationDatabase.objects.values_list("state", "phase", "verified")
    assert set(states) == {(State.SUCCEEDED, OnlinePhase.CUT_OVER, "identical")}
    assert not ReplicationRequest.objects.filter(ended_at__isnull=True).exists()
    attempt = CutoverAttempt.objects.filter(database__source_name="shop").get()
    assert (attempt.result, attempt.downtime_seconds, attempt.request) == ("done", 3.21, asked[1])
    assert [step.step for step in attempt.steps.all()] == ["readiness", "fence", "drain"]
    assert not Replication.objects.filter(ended_at__isnull=True).exists()


def test_native_replication_holds_no_worker(online: Migration) -> None:
    engine = OnlineEngine(cut_over_when_asked, rests=True)
    assert conduct(online.pk, online=engine) == "follows by itself; looks again in 3600 s"
    run = Run.objects.get()
    assert run.lease_until is None and run.look_again_at and run.look_again_at > timezone.now() + timedelta(minutes=50)
    assert now(online) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER)
    assert not migrations_to_ring(not_rung_for=LONG_AGO)
    Run.objects.update(look_again_at=Now() - timedelta(seconds=1))
    assert migrations_to_ring(not_rung_for=LONG_AGO) == [online.pk]
    before = MigrationEvent.objects.count()
    conduct(online.pk, online=engine)
    assert MigrationEvent.objects.count() == before, "to look again is no news"
    request_cutover(online.pk, by=NOBODY)
    Run.objects.update(rung_at=None)
    assert migrations_to_ring(not_rung_for=LONG_AGO) == [online.pk], "a request is heard before it is time to look"
    assert conduct(online.pk, online=engine) == State.SUCCEEDED
    assert engine.calls == 3


def test_a_request_that_came_while_the_worker_left_is_rung_for_at_once(online: Migration) -> None:
    def ask_too_late(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        if database.source_name == "shop" and not ReplicationRequest.objects.exists():
            wait_for_cutover(online)
            request_cutover(online.pk, by=NOBODY)
            Run.objects.update(doorbell_id=None)  # another worker has taken it and found the lease held
        return False

    conduct(online.pk, online=OnlineEngine(ask_too_late, rests=True))
    assert Run.objects.get().doorbell_id is not None


def test_a_follower_whose_worker_died_is_taken_over(online: Migration) -> None:
    conduct(online.pk, online=OnlineEngine(never, rests=True))
    Run.objects.update(look_again_at=None, lease_until=Now() - timedelta(seconds=1), rung_at=None)
    assert reconcile() == 1
    engine = OnlineEngine(cut_over_when_asked, rests=True)
    conduct(online.pk, online=engine)
    assert engine.calls == 1
    assert MigrationEvent.objects.filter(message__contains="took over").count() == 1


def test_with_a_way_back_it_waits_for_the_decision_and_finishes(online: Migration) -> None:
    Migration.objects.update(fall_back=True)

    def follow_back(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        request = requests.pending(database.id)
        if request is None:
            return False
        if request.kind is RequestKind.CUTOVER:
            for event in cutover(database.id):
                reporter.report(event)
            reporter.report(sampled(database.id, direction=Direction.REVERSE))
        else:
            reporter.report(DatabaseFinished(database.id, "identical"))
        requests.end(request, succeeded=True)
        return request.kind is RequestKind.FINISH

    conductor = Conductor(online, OnlineEngine(follow_back))
    wait_for_cutover(online)
    request_cutover(online.pk, by=NOBODY)
    wait_for(lambda: now(online) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK))
    assert {row.state for row in MigrationDatabase.objects.all()} == {State.WAITING_FOR_USER}
    with pytest.raises(ActionRefused, match="cannot be canceled"):
        migration_cancel(online.pk)
    wait_for(lambda: not ReplicationRequest.objects.filter(ended_at__isnull=True).exists())
    shop = MigrationDatabase.objects.get(source_name="shop")
    request_finish(online.pk, by=NOBODY, database_id=shop.pk)
    wait_for(lambda: MigrationDatabase.objects.get(pk=shop.pk).state == State.SUCCEEDED)
    assert now(online) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_FALL_BACK)
    request_finish(online.pk, by=NOBODY)
    conductor.join()
    assert conductor.said == State.SUCCEEDED
    assert conductor.clean_up.calls == 0
    assert Replication.objects.filter(direction="reverse", engine="through_portal").count() == 2


def test_going_back_ends_it_without_a_success(online: Migration) -> None:
    Migration.objects.update(fall_back=True)

    def go_back(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        request = requests.pending(database.id)
        if request is None:
            return False
        is_back = request.kind is RequestKind.GO_BACK
        if not is_back:
            reporter.report(started(database.id, direction=Direction.REVERSE))
        for event in cutover(database.id, direction=Direction.REVERSE if is_back else Direction.FORWARD):
            reporter.report(event)
        requests.end(request, succeeded=True)
        return is_back

    conductor = Conductor(online, OnlineEngine(go_back))
    wait_for_cutover(online)
    request_cutover(online.pk, by=NOBODY)
    wait_for(lambda: now(online)[1] == Substate.WAITING_FOR_FALL_BACK)
    wait_for(lambda: not ReplicationRequest.objects.filter(ended_at__isnull=True).exists())
    request_go_back(online.pk, by=NOBODY)
    conductor.join()
    assert conductor.said == State.CANCELED
    row = MigrationDatabase.objects.get(source_name="crm")
    assert (row.state, row.phase) == (State.CANCELED, OnlinePhase.GONE_BACK)
    assert "crm_new" in row.on_target and "not in use" in row.on_target
    assert conductor.clean_up.calls == 1, "the engine may have been interrupted before the last of ours was removed"
    assert CutoverAttempt.objects.filter(direction="reverse", result="done").count() == 2
    assert MigrationEvent.objects.filter(message__startswith="Went back to the source").count() >= 1


def test_cancel_is_heard_by_the_worker_that_follows_and_cleans_up(online: Migration) -> None:
    conductor = Conductor(online, OnlineEngine(never))
    wait_for_cutover(online)
    migration_cancel(online.pk)
    conductor.join()
    assert conductor.said == State.CANCELED
    assert conductor.clean_up.calls == 1
    assert {row.state for row in MigrationDatabase.objects.all()} == {State.CANCELED}
    assert {row.phase for row in MigrationDatabase.objects.all()} == {OnlinePhase.NONE}


def test_cancel_wakes_one_that_follows_by_itself(online: Migration) -> None:
    engine, clean_up = OnlineEngine(never, rests=True), CleanUp()
    conduct(online.pk, online=engine)
    migration_cancel(online.pk)
    assert conduct(online.pk, online=engine, clean_up=clean_up) == State.CANCELED
    assert clean_up.calls == 1


def test_a_cancel_that_the_worker_did_not_hear_any_more_is_heard_by_the_next(online: Migration) -> None:
    """It was asked for between the last look of a worker and the end of its lease, or the worker died there."""
    engine, clean_up = OnlineEngine(never, rests=True), CleanUp()
    conduct(online.pk, online=engine)
    ending = claim(online.pk)
    assert ending is not None
    migration_cancel(online.pk)
    assert now(online) == (State.WAITING_FOR_USER, Substate.CANCELING)
    release(ending)
    assert migrations_to_ring(not_rung_for=timedelta(0)) == [online.pk]
    assert conduct(online.pk, online=engine, clean_up=clean_up) == State.CANCELED
    assert clean_up.calls == 1


def test_a_failure_cleans_up_and_says_what_is_left(online: Migration) -> None:
    def fail(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        raise ConnectionFailed("The source is gone.", kind="lost", hint="Bring it back.")

    clean_up = CleanUp(EngineError("The slot pgmig_4b1e_shop is still there.", hint="Drop it."))
    assert conduct(online.pk, online=OnlineEngine(fail), clean_up=clean_up) == State.FAILED
    row = Migration.objects.get()
    assert row.error == "The source is gone."
    assert "Bring it back." in row.error_hint and "The slot pgmig_4b1e_shop is still there. Drop it." in row.error_hint
    assert clean_up.calls == 1


def test_a_failure_before_the_first_database_cleans_nothing_up(online: Migration) -> None:
    def refuse(spec: MigrationSpec, **ports: object) -> object:
        raise EngineError("No.")

    clean_up = CleanUp()
    assert conduct(online.pk, online=refuse, clean_up=clean_up) == State.FAILED  # type: ignore[arg-type]
    assert clean_up.calls == 0


def test_an_acceptance_taken_back_does_not_stop_what_follows(online: Migration) -> None:
    Migration.objects.update(at_warnings=AtWarnings.WAIT, step_times={"validate": {"state": "done"}})
    engine = OnlineEngine(never, rests=True)
    conduct(online.pk, online=engine)
    MigrationFinding.objects.create(migration=online, code="PM1", level="Warning", subject="x", phase="validation")
    conduct(online.pk, online=engine)
    assert engine.calls == 2
    assert now(online)[1] == Substate.WAITING_FOR_CUTOVER


def test_a_run_that_goes_on_does_not_unsettle_what_waits(online: Migration) -> None:
    conduct(online.pk, online=OnlineEngine(never, rests=True))

    def start_again(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        reporter.report(DatabaseStarted(database.id))
        return False

    conduct(online.pk, online=OnlineEngine(start_again, rests=True))
    assert {row.state for row in MigrationDatabase.objects.all()} == {State.WAITING_FOR_USER}
    assert now(online) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_CUTOVER)


def test_what_went_back_or_failed_is_not_copied_again(online: Migration) -> None:
    conduct(online.pk, online=OnlineEngine(never, rests=True))
    shop, crm = MigrationDatabase.objects.order_by("-source_name")
    MigrationDatabase.objects.filter(pk=shop.pk).update(state=State.FAILED)
    MigrationDatabase.objects.filter(pk=crm.pk).update(state=State.CANCELED, phase=OnlinePhase.GONE_BACK)
    engine = OnlineEngine(never, rests=True)
    assert conduct(online.pk, online=engine, clean_up=CleanUp()) == State.FAILED
    assert engine.spec is not None
    assert [(row.id, row.finished) for row in engine.spec.databases] == [(str(crm.pk), "not_verified")]


def test_what_was_followed_is_resumed_after_its_slots_went(online: Migration) -> None:
    def fail(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        reporter.report(started(database.id))
        reporter.report(StepStarted(Step.CATCH_UP, database.id))
        raise ConnectionFailed("The source is gone.", kind="lost", hint="Bring it back.")

    assert conduct(online.pk, online=OnlineEngine(fail), clean_up=CleanUp()) == State.FAILED
    row = Migration.objects.get()
    assert "Its slots were removed" in row.error_hint and "copies again what changed" in row.error_hint
    assert actions_for(row, may_operate=True).primary is Action.RESUME
    migration_resume(online.pk)


def test_what_is_in_use_on_the_target_is_not_copied_again(online: Migration) -> None:
    def fail(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        for event in (started(database.id), CaughtUp(database.id), *cutover(database.id)):
            reporter.report(event)
        raise ConnectionFailed("The source is gone.", kind="lost", hint="Bring it back.")

    Migration.objects.update(fall_back=True)
    assert conduct(online.pk, online=OnlineEngine(fail), clean_up=CleanUp()) == State.FAILED
    in_use = MigrationDatabase.objects.get(phase=OnlinePhase.CUT_OVER)
    assert in_use.state == State.SUCCEEDED
    migration_resume(online.pk)
    engine = OnlineEngine(never, rests=True)
    conduct(online.pk, online=engine, clean_up=CleanUp())
    assert engine.spec is not None
    assert {row.id for row in engine.spec.databases if row.finished} == {str(in_use.pk)}


def test_a_copy_that_failed_is_resumed(online: Migration) -> None:
    def fail(reporter: Reporter, requests: Requests, database: DatabaseSpec) -> bool:
        raise ConnectionFailed("The source is gone.", kind="lost", hint="Bring it back.")

    assert conduct(online.pk, online=OnlineEngine(fail), clean_up=CleanUp()) == State.FAILED
    migration_resume(online.pk)
    assert now(online)[0] == State.QUEUED
