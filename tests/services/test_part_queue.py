"""The part queue on rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from migrations_app.engine.errors import LeaseLost
from migrations_app.models import MigrationDatabase, Part, PartState, Run, TableCopy
from migrations_app.services.lease import Lease, claim
from migrations_app.services.part_queue import DatabasePartQueue
from tests.services.conftest import table_plan

pytestmark = pytest.mark.django_db(transaction=True)


def queue_of(lease: Lease) -> DatabasePartQueue:
    database = MigrationDatabase.objects.get(migration_id=lease.migration_id, source_name="shop")
    return DatabasePartQueue(migration_id=lease.migration_id, database_id=database.pk, fence=lease.fence)


def successor_of(lease: Lease) -> Lease:
    Run.objects.update(lease_until=Now() - timedelta(seconds=1))
    successor = claim(lease.migration_id)
    assert successor is not None
    return successor


@pytest.fixture
def queue(lease: Lease) -> Iterator[DatabasePartQueue]:
    queue = queue_of(lease)
    yield queue
    queue.close()


def shop() -> MigrationDatabase:
    return MigrationDatabase.objects.get(source_name="shop")


def test_a_plan_comes_back_as_it_was(queue: DatabasePartQueue) -> None:
    plans = [table_plan("big", parts=3, size=9000), table_plan("small", size=1000)]
    queue.enqueue(plans)
    queue.enqueue(plans)
    assert list(queue.tables()) == plans
    assert (Part.objects.count(), shop().tables_total, shop().bytes_total) == (4, 2, 10_000)


def test_the_largest_table_goes_first_with_all_its_parts(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("small", size=10), table_plan("big", parts=2, size=999), table_plan("middle", size=100)])
    claimed = [queue.claim() for _ in range(5)]
    assert [part and (part.table.name, part.part.number, part.attempt) for part in claimed] == [
        ("big", 0, 1),
        ("big", 1, 1),
        ("middle", 0, 1),
        ("small", 0, 1),
        None,
    ]


def test_numbers_reach_the_table_and_the_database(queue: DatabasePartQueue) -> None:
    big = table_plan("big", parts=2, size=999)
    queue.enqueue([big, table_plan("other", size=1)])
    first, second = queue.claim(), queue.claim()
    assert first and second
    assert TableCopy.objects.get(name="big").state == PartState.RUNNING
    queue.complete(first.id, rows=10, bytes=500)
    assert not queue.table_is_complete(big)
    assert (shop().rows_done, shop().bytes_done, shop().tables_done) == (10, 500, 0)
    queue.complete(second.id, rows=5, bytes=400)
    assert queue.table_is_complete(big)
    table = TableCopy.objects.get(name="big")
    assert (table.state, table.rows_done, table.bytes_done, table.parts_done) == (PartState.DONE, 15, 900, 2)
    assert table.started_at and table.ended_at
    assert (shop().rows_done, shop().bytes_done, shop().tables_done) == (15, 900, 1)
    assert set(Part.objects.filter(table=table).values_list("copies", flat=True)) == {1}


def test_a_second_commit_of_a_part_shows(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("t")])
    part = queue.claim()
    assert part
    queue.complete(part.id, rows=10, bytes=100)
    queue.complete(part.id, rows=10, bytes=100)
    assert Part.objects.get().copies == 2
    assert (shop().rows_done, shop().tables_done) == (10, 1)


def test_a_part_given_back_is_claimed_again(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("t")])
    part = queue.claim()
    assert part
    queue.release(part.id, error="connection \x00 lost")
    assert Part.objects.get().error == "connection  lost"
    again = queue.claim()
    assert again and (again.id, again.attempt) == (part.id, 2)


def test_a_restarted_table_begins_anew(queue: DatabasePartQueue) -> None:
    big = table_plan("big", parts=2)
    queue.enqueue([big, table_plan("other", size=1)])
    for _ in range(3):
        part = queue.claim()
        assert part
        queue.complete(part.id, rows=10, bytes=100)
    queue.restart(big)
    table = TableCopy.objects.get(name="big")
    assert (table.state, table.rows_done, table.parts_done, table.ended_at) == (PartState.TODO, 0, 0, None)
    assert (shop().rows_done, shop().bytes_done, shop().tables_done) == (10, 100, 1)
    for _ in range(2):
        part = queue.claim()
        assert part and part.table.name == "big"
        queue.complete(part.id, rows=10, bytes=100)
    assert set(Part.objects.values_list("copies", flat=True)) == {1}
    assert shop().tables_done == 2


def test_empty_tables_are_complete_in_one_go(queue: DatabasePartQueue) -> None:
    plans = [table_plan(f"empty_{number}", size=0) for number in range(500)]
    queue.enqueue([*plans, table_plan("full")])
    queue.complete_empty(plans)
    assert shop().tables_done == 500
    part = queue.claim()
    assert part and part.table.name == "full"
    assert queue.claim() is None


def test_a_successor_takes_over_what_was_being_copied(lease: Lease, queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("big", parts=3)])
    done, running = queue.claim(), queue.claim()
    assert done and running
    queue.complete(done.id, rows=10, bytes=100)
    Part.objects.filter(pk=running.id).update(rows=7, bytes=70)
    TableCopy.objects.update(rows_done=17, bytes_done=170)
    MigrationDatabase.objects.filter(source_name="shop").update(rows_done=17, bytes_done=170)
    successor = queue_of(successor_of(lease))
    again, third = successor.claim(), successor.claim()
    assert again and third and again.id == running.id and again.attempt == 2
    assert successor.claim() is None
    assert (shop().rows_done, shop().bytes_done) == (10, 100)
    successor.close()


def test_an_old_run_may_do_nothing_any_more(lease: Lease, queue: DatabasePartQueue) -> None:
    table = table_plan("big", parts=3)
    queue.enqueue([table])
    part = queue.claim()
    assert part
    successor_of(lease)
    before = list(Part.objects.order_by("pk").values())
    forbidden_deeds: list[Callable[[], object]] = [
        queue.claim,
        lambda: queue.complete(part.id, rows=1, bytes=1),
        lambda: queue.release(part.id, error="x"),
        lambda: queue.restart(table),
        lambda: queue.complete_empty([table]),
        lambda: queue.enqueue([table_plan("new")]),
    ]
    for forbidden in forbidden_deeds:
        with pytest.raises(LeaseLost):
            forbidden()
    assert list(Part.objects.order_by("pk").values()) == before
    assert TableCopy.objects.count() == 1


def test_eight_threads_claim_each_part_once(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan(f"t{number}", parts=4, size=number) for number in range(100)])
    claimed, failures = list[int](), list[BaseException]()

    def work() -> None:
        try:
            while (part := queue.claim()) is not None:
                claimed.append(part.id)
                queue.complete(part.id, rows=2, bytes=3)
            queue.close_thread()
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(claimed) == len(set(claimed)) == 400
    assert set(Part.objects.values_list("copies", "state")) == {(1, PartState.DONE)}
    sums = TableCopy.objects.aggregate(rows=Sum("rows_done"), bytes=Sum("bytes_done"))
    assert (shop().rows_done, shop().bytes_done, shop().tables_done) == (sums["rows"], sums["bytes"], 100)
    assert sums == {"rows": 800, "bytes": 1200}


def test_threads_that_come_and_go_leave_no_connection(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("t", parts=20)])

    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    queue.claim()
    before = sessions()
    threads = [threading.Thread(target=queue.claim) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sessions() == before


def test_ten_thousand_tables_are_queued_and_claimed_quickly(queue: DatabasePartQueue) -> None:
    """Measured in this process's own CPU time, since the machine may be busy with something else."""
    began = time.process_time()
    queue.enqueue([table_plan(f"table_{number}", size=number) for number in range(10_000)])
    queue.claim()
    assert time.process_time() - began < 12
    began = time.process_time()
    for _ in range(300):
        part = queue.claim()
        assert part
        queue.complete(part.id, rows=1, bytes=1)
    assert (time.process_time() - began) / 300 < 0.005


def test_an_answer_that_was_lost_leaves_no_part_behind(queue: DatabasePartQueue) -> None:
    """The connection dies after a claim was committed: the next claim finds the part that nobody knows of."""
    queue.enqueue([table_plan("t", parts=2)])
    first = queue.claim()
    assert first
    Part.objects.exclude(pk=first.id).update(state=PartState.RUNNING, fence=queue.fence)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    second = queue.claim()
    assert second and second.id != first.id
    assert queue.claim() is None


def test_the_queue_outlives_a_lost_connection(queue: DatabasePartQueue) -> None:
    queue.enqueue([table_plan("t")])
    part = queue.claim()
    assert part
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    queue.complete(part.id, rows=1, bytes=1)
    assert Part.objects.get().copies == 1
