"""What the engine reports becomes rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from migrations_app.engine.control import Control
from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.events import (
    CheckResult,
    DatabaseFailed,
    DatabaseFinished,
    DatabaseStarted,
    FindingRaised,
    IndexesPlanned,
    IndexFinished,
    IndexProgress,
    IndexStarted,
    Note,
    ObjectVerified,
    PartProgress,
    Step,
    StepFinished,
    StepStarted,
    ValidationEnded,
)
from migrations_app.engine.findings import Finding, Level
from migrations_app.models import (
    Migration,
    MigrationDatabase,
    MigrationEvent,
    MigrationFinding,
    Part,
    State,
    Substate,
    TableCopy,
    ThroughputSample,
    VerificationResult,
)
from migrations_app.services import progress
from migrations_app.services.lease import Lease
from migrations_app.services.part_queue import DatabasePartQueue
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.recording import samples
from tests.services.conftest import table_plan, take_over

pytestmark = pytest.mark.django_db(transaction=True)


def recorder_of(lease: Lease) -> ProgressRecorder:
    return ProgressRecorder(lease.migration_id, control=Control(fence=lease.fence))


def shop_id() -> str:
    return str(MigrationDatabase.objects.get(source_name="shop").pk)


def migration() -> Migration:
    return Migration.objects.get()


def test_steps_of_databases_add_up_to_the_steps_of_the_migration(lease: Lease) -> None:
    shop, crm = shop_id(), str(MigrationDatabase.objects.get(source_name="crm").pk)
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.VALIDATE))
        recorder.report(StepFinished(Step.VALIDATE))
        recorder.report(StepStarted(Step.COPY, crm))
        recorder.report(StepFinished(Step.COPY, crm))
        recorder.settle()
        assert migration().step_times["copy"]["state"] == "running"
        recorder.report(StepStarted(Step.COPY, shop))
        recorder.settle()
        assert migration().substate == Substate.MIGRATING_DATA
        recorder.report(StepFinished(Step.COPY, shop))
    times = migration().step_times
    assert times["validate"]["state"] == times["copy"]["state"] == "done"
    row = MigrationDatabase.objects.get(pk=shop)
    assert (row.step, row.step_times["copy"]["state"]) == ("copy", "done")
    assert times["copy"]["ended_at"] == row.step_times["copy"]["ended_at"]
    assert "Copy of rows started." in MigrationEvent.objects.values_list("message", flat=True)


def test_a_step_that_goes_on_keeps_its_first_beginning(lease: Lease) -> None:
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.COPY, shop_id()))
    first = migration().step_times["copy"]["started_at"]
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.COPY, shop_id()))
    assert migration().step_times["copy"]["started_at"] == first


def test_a_canceled_migration_goes_on_saying_that_it_cancels(lease: Lease) -> None:
    Migration.objects.update(cancel_requested_at=Now(), substate=Substate.CANCELING)
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.COPY, shop_id()))
    assert migration().substate == Substate.CANCELING


@pytest.mark.parametrize(
    ("event", "state", "error"),
    [
        (lambda pk: DatabaseFinished(pk, "identical"), State.SUCCEEDED, ""),
        (lambda pk: DatabaseFinished(pk, "not_verified"), State.SUCCEEDED, ""),
        (lambda pk: DatabaseFinished(pk, "different"), State.FAILED, "Source and target are different."),
        (lambda pk: DatabaseFinished(pk, "could_not_verify"), State.FAILED, "Some objects could not be verified"),
        (lambda pk: DatabaseFinished(pk, "identical", losses=("view a.b",)), State.FAILED, "1 object could not be"),
        (lambda pk: DatabaseFailed(pk, "It broke.", hint="Mend", on_target="Nothing."), State.FAILED, "It broke."),
    ],
)
def test_the_end_of_a_database_is_stored_when_report_returns(
    lease: Lease, event: Callable[[str], DatabaseFinished | DatabaseFailed], state: State, error: str
) -> None:
    pk = shop_id()
    with recorder_of(lease) as recorder:
        recorder.report(DatabaseStarted(pk))
        recorder.report(event(pk))
        row = MigrationDatabase.objects.get(pk=pk)
        assert row.state == state
        assert row.error.startswith(error)
        assert row.started_at and row.ended_at
        assert bool(row.error_hint) == bool(error)


def test_live_parts_show_in_the_table_and_the_database(lease: Lease) -> None:
    pk = MigrationDatabase.objects.get(source_name="shop").pk
    queue = DatabasePartQueue(migration_id=lease.migration_id, database_id=pk, fence=lease.fence)
    queue.enqueue([table_plan("big", parts=2)])
    first, second = queue.claim(), queue.claim()
    assert first and second
    with recorder_of(lease) as recorder:
        recorder.report(PartProgress(first.id, rows=10, bytes=100))
        recorder.report(PartProgress(second.id, rows=20, bytes=200))
        recorder.report(PartProgress(first.id, rows=15, bytes=150))
        recorder.settle()
        assert (TableCopy.objects.get().rows_done, TableCopy.objects.get().bytes_done) == (35, 350)
        queue.complete(first.id, rows=40, bytes=400)
        recorder.report(PartProgress(first.id, rows=39, bytes=390))
    queue.close()
    row = MigrationDatabase.objects.get(pk=pk)
    assert (row.rows_done, row.bytes_done) == (60, 600)
    assert Part.objects.get(pk=first.id).rows == 40


def test_indexes_are_counted_and_named_while_they_build(lease: Lease) -> None:
    pk = MigrationDatabase.objects.get(source_name="shop").pk
    queue = DatabasePartQueue(migration_id=lease.migration_id, database_id=pk, fence=lease.fence)
    queue.enqueue([table_plan("t"), table_plan("u")])
    names = (str(pk), "public", "t")
    with recorder_of(lease) as recorder:
        recorder.report(IndexesPlanned(str(pk), (("public", "t", 3), ("public", "u", 1))))
        recorder.report(IndexStarted(*names, "t_pkey"))
        recorder.report(IndexFinished(*names, "t_pkey"))
        recorder.report(IndexProgress(*names, "t_pkey", fraction=1.0, phase="late news"))
        recorder.report(IndexStarted(*names, "t_name"))
        recorder.report(IndexProgress(*names, "t_name", fraction=0.42, phase="sorting"))
        recorder.settle()
        table = TableCopy.objects.get(name="t")
        assert (table.indexes_total, table.indexes_done, table.index_now) == (3, 1, "t_name 42% sorting")
        recorder.report(IndexFinished(*names, "t_name"))
    queue.close()
    row = MigrationDatabase.objects.get(pk=pk)
    assert (row.indexes_total, row.indexes_done) == (4, 2)
    assert TableCopy.objects.get(name="t").index_now == ""


def test_a_run_that_goes_on_counts_indexes_anew(lease: Lease) -> None:
    pk = MigrationDatabase.objects.get(source_name="shop").pk
    queue = DatabasePartQueue(migration_id=lease.migration_id, database_id=pk, fence=lease.fence)
    queue.enqueue([table_plan("t")])
    for _ in range(2):
        with recorder_of(lease) as recorder:
            recorder.report(IndexesPlanned(str(pk), (("public", "t", 2),)))
            recorder.report(IndexFinished(str(pk), "public", "t", "t_pkey"))
    queue.close()
    assert (TableCopy.objects.get().indexes_done, TableCopy.objects.get().indexes_total) == (1, 2)


def finding(code: str, *, phase: str = "copy", saw: str = "it", subject: str = "table a.b") -> FindingRaised:
    return FindingRaised(Finding(code, Level.WARNING, subject, saw, database_id=shop_id(), phase=phase))


def test_a_finding_is_kept_once(lease: Lease) -> None:
    with recorder_of(lease) as recorder:
        recorder.report(finding("PM0001"))
        recorder.report(finding("PM0001", saw="it again"))
        recorder.report(finding("PM0002"))
    with recorder_of(lease) as recorder:
        recorder.report(finding("PM0001", saw="it a third time"))
        recorder.report(finding("PM0001", subject="table c.d"))
    rows = MigrationFinding.objects.values_list("code", "subject", "saw")
    assert sorted(rows) == [
        ("PM0001", "table a.b", "it a third time"),
        ("PM0001", "table c.d", "it"),
        ("PM0002", "table a.b", "it"),
    ]


def test_validation_that_runs_again_forgets_what_was_mended(lease: Lease) -> None:
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.VALIDATE))
        recorder.report(finding("PM0001", phase="validation"))
        recorder.report(finding("PM0002", phase="validation"))
        recorder.report(finding("PM0009", phase="copy"))
    with recorder_of(lease) as recorder:
        recorder.report(StepStarted(Step.VALIDATE))
        recorder.report(finding("PM0002", phase="validation"))
        recorder.report(ValidationEnded(frozenset()))
    assert sorted(MigrationFinding.objects.values_list("code", flat=True)) == ["PM0002", "PM0009"]


def test_a_comparison_made_again_replaces_the_one_before(lease: Lease) -> None:
    for result in (CheckResult.DIFFERENT, CheckResult.IDENTICAL):
        with recorder_of(lease) as recorder:
            recorder.report(ObjectVerified(shop_id(), "table", "public.t", CheckResult.COULD_NOT_VERIFY))
            recorder.report(ObjectVerified(shop_id(), "table", "public.t", result, source="1 row", target="1 row"))
    assert VerificationResult.objects.values_list("result", "source").get() == ("identical", "1 row")


def test_text_that_postgresql_cannot_keep_is_kept_without_it(lease: Lease) -> None:
    with recorder_of(lease) as recorder:
        recorder.report(Note("before\x00after"))
    assert MigrationEvent.objects.get().message == "beforeafter"


def test_nothing_is_lost_and_writes_are_few_under_load(lease: Lease) -> None:
    revision = migration().revision
    began = time.monotonic()

    def report_many(recorder: ProgressRecorder, name: int) -> None:
        for number in range(500):
            recorder.report(Note(f"{name}-{number}"))

    with recorder_of(lease) as recorder:
        threads = [threading.Thread(target=report_many, args=(recorder, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert MigrationEvent.objects.count() == 4000
    assert migration().revision - revision <= (time.monotonic() - began) / progress.FLUSH_EVERY_SECONDS + 2


def test_nothing_new_is_no_new_revision(lease: Lease) -> None:
    revision = migration().revision
    with recorder_of(lease):
        time.sleep(2.5)
    assert migration().revision == revision


def test_an_old_run_stores_nothing_and_stops(lease: Lease) -> None:
    recorder = recorder_of(lease)
    with pytest.raises(LeaseLost), recorder:
        take_over(lease.migration_id)
        recorder.report(Note("from the past"))
        recorder.settle()
    assert recorder.control.stopping
    assert not MigrationEvent.objects.exists()


def test_an_event_that_cannot_be_stored_is_no_silent_loss(lease: Lease) -> None:
    recorder = recorder_of(lease)
    with pytest.raises(KeyError), recorder:
        recorder.report(StepStarted(Step.COPY, "00000000-0000-0000-0000-000000000000"))
    assert recorder.control.stopping


def test_progress_outlives_a_lost_connection(lease: Lease) -> None:
    with recorder_of(lease) as recorder:
        recorder.report(Note("one"))
        recorder.settle()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        recorder.report(Note("two"))
    assert sorted(MigrationEvent.objects.values_list("message", flat=True)) == ["one", "two"]


def test_samples_are_taken_while_numbers_grow_and_stay_few(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(samples, "KEPT_SAMPLES", 10)
    with recorder_of(lease) as recorder:
        for number in range(1, 40):
            MigrationDatabase.objects.filter(source_name="shop").update(bytes_done=number * 100, rows_done=number)
            recorder.settle()
            recorder.settle()
    rows = list(ThroughputSample.objects.values_list("bytes_done", flat=True))
    assert rows == sorted(set(rows))
    assert rows[0] == 100 and rows[-1] > 1000
    assert len(rows) <= 10


def test_a_settle_does_not_wait_for_a_database_that_stays_away(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LEASE_SECONDS", 1.0)

    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError("gone")

    recorder = recorder_of(lease)
    monkeypatch.setattr(progress, "fenced", away)
    with pytest.raises(OperationalError), recorder:
        recorder.settle()
    assert recorder.control.stopping
