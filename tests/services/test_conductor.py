"""Driving one migration: lease, heartbeat, engine, ending. The engine here is a function; leases and rows are real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionFailed, LeaseLost, ValidationFailed
from migrations_app.engine.events import DatabaseFailed, DatabaseFinished, DatabaseStarted, Note, Step, StepStarted
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec
from migrations_app.models import Migration, MigrationDatabase, MigrationEndpoint, MigrationEvent, Run, State
from migrations_app.services import heartbeat
from migrations_app.services.conductor import ABRUPT_ENDS_IN_A_ROW, conduct
from migrations_app.services.lease import claim
from migrations_app.services.runs import migration_cancel
from migrations_app.tasks import conduct_task
from migrations_app.worker.draining import start_draining, stop_draining
from tests.services.conftest import take_over

pytestmark = pytest.mark.django_db(transaction=True)
QueueFor = Callable[[DatabaseSpec], PartQueue]


@dataclass(frozen=True)
class Outcome:
    succeeded: bool = True


class Engine:
    """Runs ``work`` for each database and keeps what it was given."""

    def __init__(self, work: Callable[[Control, Reporter, DatabaseSpec], None] | None = None) -> None:
        self.work = work or (lambda control, reporter, database: None)
        self.calls = 0
        self.spec: MigrationSpec | None = None

    def __call__(
        self, spec: MigrationSpec, *, reporter: Reporter, control: Control, queue_for: QueueFor, work_dir: Path
    ) -> Outcome:
        self.calls += 1
        self.spec = spec
        control.check()
        for database in spec.databases:
            reporter.report(DatabaseStarted(database.id))
            self.work(control, reporter, database)
            reporter.report(DatabaseFinished(database.id, "identical"))
        return Outcome()


def wait_until_stopped(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
    """Work that goes on until somebody asks it to end."""
    reporter.report(StepStarted(Step.COPY, database.id))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        control.check()
        time.sleep(0.05)
    pytest.fail("nobody asked the work to end")


def reload(migration: Migration) -> Migration:
    return Migration.objects.get(pk=migration.pk)


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class Conductor(threading.Thread):
    """Somebody who answers the doorbell."""

    def __init__(self, migration: Migration, engine: Engine) -> None:
        super().__init__()
        self.migration, self.engine, self.said = migration, engine, ""
        self.start()
        wait_for(lambda: engine.calls > 0)

    def run(self) -> None:
        try:
            self.said = conduct(self.migration.pk, engine=self.engine)
        finally:
            connection.close()


def test_a_migration_runs_to_its_end(queued: Migration) -> None:
    engine = Engine()
    assert conduct(queued.pk, engine=engine) == State.SUCCEEDED
    after = reload(queued)
    assert (after.state, after.error) == (State.SUCCEEDED, "")
    assert after.started_at and after.ended_at
    assert {database.state for database in MigrationDatabase.objects.all()} == {State.SUCCEEDED}
    run = Run.objects.get()
    assert (run.fence, run.lease_until, run.owner, run.attempts) == (1, None, "", 0)
    assert engine.spec and engine.spec.source.password == "source secret"
    assert not (Path(settings.VAR_DIR) / "work" / str(queued.pk)).exists()
    assert conduct(queued.pk, engine=engine).startswith("nothing to do")
    assert engine.calls == 1


def test_two_who_answer_the_same_doorbell_do_the_work_once(queued: Migration) -> None:
    engine = Engine(lambda control, reporter, database: time.sleep(1))
    first = Conductor(queued, engine)
    assert conduct(queued.pk, engine=engine).startswith("nothing to do")
    first.join()
    assert (engine.calls, Run.objects.get().fence) == (1, 1)


def test_an_expected_failure_says_what_to_do(queued: Migration) -> None:
    def fail(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        reporter.report(StepStarted(Step.COPY, database.id))
        raise ConnectionFailed("No answer.", kind="timeout", hint="Check.", server_message="timeout \x00 expired")

    assert conduct(queued.pk, engine=Engine(fail)) == State.FAILED
    after = reload(queued)
    assert (after.error, after.error_hint, after.error_server_message) == ("No answer.", "Check.", "timeout  expired")
    first, second = MigrationDatabase.objects.all()
    assert (first.state, first.error, second.state) == (State.FAILED, "No answer.", State.QUEUED)
    assert "incomplete" in first.on_target
    assert after.step_times["copy"]["state"] == "failed"


def test_a_failed_database_is_named_in_the_migrations_error(queued: Migration) -> None:
    class OneFails(Engine):
        def __call__(self, spec: MigrationSpec, **ports: object) -> Outcome:
            reporter = ports["reporter"]
            assert hasattr(reporter, "report")
            reporter.report(DatabaseFinished(spec.databases[0].id, "identical"))
            reporter.report(DatabaseFailed(spec.databases[1].id, "It broke.", hint="Mend it.", on_target="Half of it."))
            return Outcome(succeeded=False)

    assert conduct(queued.pk, engine=OneFails()) == State.FAILED
    assert (reload(queued).error, reload(queued).error_hint) == ("shop: It broke.", "Mend it.")
    assert MigrationDatabase.objects.get(source_name="shop").on_target == "Half of it."


def test_a_failed_validation_is_a_state_of_its_own(queued: Migration) -> None:
    def refuse(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        raise ValidationFailed("2 findings.", hint="See them.")

    assert conduct(queued.pk, engine=Engine(refuse)) == State.VALIDATION_FAILED
    assert reload(queued).error_hint == "See them."


def test_a_defect_is_logged_and_named_by_a_reference(queued: Migration, caplog: pytest.LogCaptureFixture) -> None:
    def break_down(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        raise ZeroDivisionError("source secret must not be shown")

    assert conduct(queued.pk, engine=Engine(break_down)) == State.FAILED
    after = reload(queued)
    reference = after.error.split("reference ")[1][:8]
    assert reference in caplog.text and "ZeroDivisionError" in caplog.text
    assert "secret" not in after.error + after.error_hint + after.error_server_message


def test_cancel_ends_running_work_within_seconds(queued: Migration) -> None:
    conductor = Conductor(queued, Engine(wait_until_stopped))
    began = time.monotonic()
    migration_cancel(queued.pk)
    conductor.join()
    assert time.monotonic() - began < 8
    assert conductor.said == State.CANCELED
    first, second = MigrationDatabase.objects.all()
    assert {first.state, second.state} == {State.CANCELED}
    assert "incomplete" in first.on_target and "Nothing of this database" in second.on_target
    assert reload(queued).step_times["copy"]["state"] == "skipped"


def test_cancel_interrupts_what_blocks(queued: Migration) -> None:
    interrupted = threading.Event()

    def block(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        with control.interruptible(interrupted.set):
            assert interrupted.wait(30)
        control.check()

    conductor = Conductor(queued, Engine(block))
    migration_cancel(queued.pk)
    conductor.join()
    assert conductor.said == State.CANCELED


def test_a_cancel_that_nobody_was_there_to_hear_is_heard_by_the_next(queued: Migration) -> None:
    Migration.objects.update(state=State.IN_PROGRESS, started_at=timezone.now(), cancel_requested_at=timezone.now())
    assert conduct(queued.pk, engine=Engine(wait_until_stopped)) == State.CANCELED


def test_a_run_that_lost_its_lease_writes_nothing_more(queued: Migration) -> None:
    engine = Engine(wait_until_stopped)
    old = Conductor(queued, engine)
    take_over(queued.pk)
    old.join()
    assert old.said == "run 1 stopped; another goes on"
    after = reload(queued)
    assert (after.state, Run.objects.get().fence) == (State.IN_PROGRESS, 2)
    assert Run.objects.get().lease_until is not None, "an old run does not release its successor's lease"


def test_an_ending_that_comes_too_late_changes_nothing(queued: Migration) -> None:
    def be_overtaken(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        take_over(queued.pk)
        raise ConnectionFailed("too late", kind="lost")

    said = conduct(queued.pk, engine=Engine(be_overtaken))
    assert said.startswith("run 1")
    assert (reload(queued).state, reload(queued).error) == (State.IN_PROGRESS, "")


@pytest.fixture
def draining() -> Iterator[Callable[[], None]]:
    yield start_draining
    stop_draining()


def test_a_worker_that_stops_hands_over_at_once(queued: Migration, draining: Callable[[], None]) -> None:
    conductor = Conductor(queued, Engine(wait_until_stopped))
    began = time.monotonic()
    draining()
    conductor.join()
    assert time.monotonic() - began < 5
    assert (reload(queued).state, Run.objects.get().lease_until) == (State.IN_PROGRESS, None)
    assert conduct(queued.pk, engine=Engine()).startswith("nothing to do"), "a worker that stops begins nothing"
    stop_draining()
    engine = Engine()
    assert conduct(queued.pk, engine=engine) == State.SUCCEEDED
    assert MigrationEvent.objects.filter(message__contains="took over").count() == 1


def test_the_lease_is_held_for_as_long_as_the_work_takes(queued: Migration) -> None:
    def work(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        if database.source_name == "shop":
            time.sleep(14)
        control.check()

    conductor = Conductor(queued, Engine(work))
    while conductor.is_alive():
        assert claim(queued.pk) is None or reload(queued).state == State.SUCCEEDED
        time.sleep(0.5)
    assert conductor.said == State.SUCCEEDED


def test_work_stops_when_the_database_is_away_for_longer_than_the_lease(
    queued: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "LEASE_SECONDS", 2.0)

    def away(lease: object) -> bool:
        raise OperationalError("gone")

    monkeypatch.setattr(heartbeat, "EXTEND_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "extend", away)
    assert conduct(queued.pk, engine=Engine(wait_until_stopped)) == "run 1 stopped; another goes on"
    assert reload(queued).state == State.IN_PROGRESS


def test_work_outlives_lost_connections_to_the_portals_database(queued: Migration) -> None:
    def lose_connections(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        reporter.report(Note("before"))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        reporter.report(Note("after"))

    assert conduct(queued.pk, engine=Engine(lose_connections)) == State.SUCCEEDED
    assert MigrationEvent.objects.filter(message="after").count() == 2


def test_work_that_kills_its_worker_again_and_again_is_given_up(queued: Migration) -> None:
    Run.objects.update(attempts=ABRUPT_ENDS_IN_A_ROW)
    engine = Engine()
    assert conduct(queued.pk, engine=engine) == State.FAILED
    assert engine.calls == 0
    assert "abruptly" in reload(queued).error and reload(queued).error_hint


def test_progress_forgives_earlier_abrupt_ends(queued: Migration) -> None:
    Run.objects.update(attempts=20)

    def progress(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        MigrationDatabase.objects.filter(pk=database.id).update(rows_done=5)
        wait_for(lambda: Run.objects.get().attempts == 1)

    assert conduct(queued.pk, engine=Engine(progress)) == State.SUCCEEDED


def test_passwords_are_forgotten_at_the_end_if_wished(queued: Migration) -> None:
    Migration.objects.update(forget_passwords=True)
    conduct(queued.pk, engine=Engine())
    assert {row.sealed_password for row in MigrationEndpoint.objects.all()} == {""}


def test_a_migration_that_is_not_due_is_not_begun(queued: Migration) -> None:
    Migration.objects.update(scheduled_at=timezone.now() + timedelta(hours=1))
    assert conduct(queued.pk, engine=Engine()).startswith("nothing to do")
    assert Run.objects.get().fence == 0


def test_a_password_that_does_not_open_fails_with_its_remedy(queued: Migration) -> None:
    MigrationEndpoint.objects.update(sealed_password="v1:deadbeef:AAAA")
    assert conduct_task(str(queued.pk), some_later_parameter=1) == State.FAILED
    assert "PORTAL_ENCRYPTION_KEYS" in reload(queued).error_hint


def test_lease_lost_is_not_a_failure(queued: Migration) -> None:
    def lose(control: Control, reporter: Reporter, database: DatabaseSpec) -> None:
        raise LeaseLost("gone")

    assert conduct(queued.pk, engine=Engine(lose)) == "run 1 stopped; another goes on"
    assert (reload(queued).state, Run.objects.get().lease_until) == (State.IN_PROGRESS, None)
