"""A real cluster: whatever is killed, tasks go on, and a migration is driven to its end with every part copied once."""

from __future__ import annotations

import os
import random
import signal
import time

import psutil
import pytest
from django.db import connection
from django_q.models import OrmQ, Success

from migrations_app.models import (
    Migration,
    MigrationDatabase,
    MigrationEvent,
    Part,
    PartState,
    ProcessHeartbeat,
    Run,
    State,
)
from migrations_app.services.doorbell import ring_task
from migrations_app.services.liveness import workers_seen_seconds_ago
from migrations_app.services.runs import migration_cancel, migration_start
from migrations_app.worker.reconciler_process import ANSWER_TASK
from tests.fixtures.templates import portal_cluster
from tests.worker.conftest import PortalProcess, wait_for
from tests.worker.slow_cluster import PARTS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
KINDS = ("portal-worker", "portal-pusher", "portal-monitor", "portal-sentinel")


def reload(migration: Migration) -> Migration:
    return Migration.objects.get(pk=migration.pk)


def a_task_is_processed(*, seconds: float = 30) -> None:
    """A task goes through the queue, a worker and the monitor."""
    before = Success.objects.count()
    ring_task(ANSWER_TASK)
    wait_for(lambda: Success.objects.count() > before, seconds=seconds, what="the processing of a task")


def conductor_pid() -> int:
    """The worker that drives the migration."""
    owner = Run.objects.values_list("owner", flat=True).get()
    return int(owner.split(":")[1]) if owner else 0


def parts_done() -> int:
    return Part.objects.filter(state=PartState.DONE).count()


def every_part_was_copied_once() -> None:
    parts = Part.objects.values_list("state", "copies")
    assert (len(parts), set(parts)) == (PARTS, {(PartState.DONE, 1)})
    database = MigrationDatabase.objects.get()
    assert (database.state, database.rows_done, database.bytes_done) == (State.SUCCEEDED, PARTS * 10, PARTS * 100)


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_go_on_after_a_kill(cluster: PortalProcess, kind: str) -> None:
    a_task_is_processed()
    for _ in range(2):
        victims = cluster.named(kind)
        for victim in victims:
            cluster.kill(victim)
        wait_for(lambda victims=victims: cluster.named(kind) and not set(victims) & set(cluster.named(kind)))  # type: ignore[misc]
        a_task_is_processed()
    assert cluster.stop() == 0


def test_no_process_outlives_its_main_process(cluster: PortalProcess) -> None:
    a_task_is_processed()
    children = cluster.tree()[1:]
    cluster.kill(cluster.pid)
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive
    cluster.process.wait()  # type: ignore[union-attr]
    cluster.start()
    a_task_is_processed()


def test_a_kill_storm_loses_nothing(cluster: PortalProcess) -> None:
    chance = random.Random(7)
    for _ in range(14):
        victims = cluster.named(chance.choice(KINDS[:3]))
        if victims:
            cluster.kill(chance.choice(victims))
        time.sleep(0.4)
    for _ in range(3):
        a_task_is_processed()
    assert cluster.stop() == 0


def test_a_killed_conductor_is_replaced_in_time(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 5, what="the begin of the copy")
    assert Run.objects.get().fence == 1
    cluster.kill(conductor_pid())
    killed_at = time.monotonic()
    wait_for(lambda: Run.objects.get().fence == 2, what="the take-over")
    assert time.monotonic() - killed_at < 20
    wait_for(lambda: reload(draft).state == State.SUCCEEDED, what="the end")
    every_part_was_copied_once()
    assert MigrationEvent.objects.filter(message__contains="took over").count() == 1


def test_kills_of_every_kind_during_a_migration(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 3, what="the begin of the copy")
    for kind in ("portal-pusher", "portal-monitor", "portal-sentinel", "main", "reconciler"):
        if kind == "reconciler":
            reconciler.kill(reconciler.pid)
            reconciler.process.wait()  # type: ignore[union-attr]
            reconciler.start()
        elif kind == "main":
            cluster.kill(cluster.pid)
            cluster.process.wait()  # type: ignore[union-attr]
            cluster.start()
        else:
            for victim in cluster.named(kind):
                cluster.kill(victim)
        time.sleep(1)
    wait_for(lambda: reload(draft).state == State.SUCCEEDED, seconds=90, what="the end")
    every_part_was_copied_once()
    wait_for(lambda: OrmQ.objects.count() <= 2, what="an empty queue")


def test_a_cluster_that_stops_hands_its_work_over(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 3, what="the begin of the copy")
    began = time.monotonic()
    assert cluster.stop() == 0
    assert time.monotonic() - began < 10
    assert (reload(draft).state, Run.objects.get().lease_until) == (State.IN_PROGRESS, None)
    cluster.start()
    wait_for(lambda: reload(draft).state == State.SUCCEEDED, seconds=60, what="the end")
    every_part_was_copied_once()


def test_a_running_migration_is_canceled_within_seconds(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 3, what="the begin of the copy")
    migration_cancel(draft.pk)
    wait_for(lambda: reload(draft).state == State.CANCELED, seconds=8, what="the cancel")
    assert Run.objects.get().lease_until is None


def test_a_frozen_conductor_finds_its_lease_gone(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    """A process that was stopped for a while (a suspended machine) must not go on as if nothing had happened."""
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 3, what="the begin of the copy")
    frozen = conductor_pid()
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_for(lambda: Run.objects.get().fence == 2, seconds=30, what="the take-over")
        wait_for(lambda: parts_done() > 30, what="progress of the second run")
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_for(lambda: reload(draft).state == State.SUCCEEDED, seconds=60, what="the end")
    every_part_was_copied_once()


def test_workers_that_answer_are_known_and_silence_is_known(cluster: PortalProcess, reconciler: PortalProcess) -> None:
    wait_for(lambda: workers_seen_seconds_ago() is not None, what="an answer")
    wait_for(
        lambda: set(ProcessHeartbeat.objects.values_list("kind", flat=True)) == {"cluster", "reconciler", "worker"}
    )
    cluster.end()
    time.sleep(12)
    seconds = workers_seen_seconds_ago()
    assert seconds is not None and seconds > 2
    assert OrmQ.objects.count() <= 1, "one question waits, not one every ten seconds"


def test_a_crash_of_the_portals_database_is_outlived(
    cluster: PortalProcess, reconciler: PortalProcess, draft: Migration
) -> None:
    migration_start(draft.pk)
    wait_for(lambda: parts_done() > 3, what="the begin of the copy")
    database = portal_cluster()
    connection.close()
    database.stop("immediate")
    time.sleep(2)
    database.start()
    wait_for(lambda: reload(draft).state == State.SUCCEEDED, seconds=90, what="the end")
    every_part_was_copied_once()
    assert Run.objects.get().fence <= 2, "the same run goes on, or another when the crash outlasted the lease"
    a_task_is_processed(seconds=40)
    assert reconciler.process and reconciler.process.poll() is None
