"""A queue nobody empties is noticed; workers that all drive a migration are not disturbed."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ

from migrations_app.models import Migration, MigrationEndpoint, ProcessHeartbeat, Run
from migrations_app.services.liveness import ProcessKind, beat
from portal.launcher.watchdog import Stuck, silent_reconciler, stuck_queues

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_worker_answers() -> None:
    beat(ProcessKind.WORKER)


def waiting_task(queue: str, *, seconds: int) -> None:
    OrmQ.objects.create(key=queue, payload="", lock=timezone.now() - timedelta(seconds=seconds))


def conducting(number: int, *, host: str = socket.gethostname()) -> None:
    for index in range(number):
        migration = Migration.objects.create(
            name=f"m{index}", source=MigrationEndpoint.objects.create(), target=MigrationEndpoint.objects.create()
        )
        lease_until = timezone.now() + timedelta(seconds=10)
        Run.objects.create(migration=migration, owner=f"{host}:{index}:abc", lease_until=lease_until)


def test_all_is_well_with_empty_queues() -> None:
    assert stuck_queues() == []


def test_a_young_task_is_not_stuck() -> None:
    waiting_task("long", seconds=5)
    assert stuck_queues() == []


def test_an_old_task_is_stuck() -> None:
    waiting_task("long", seconds=60)
    assert [stuck.service for stuck in stuck_queues()] == ["long-tasks"]


def test_a_locked_task_runs_and_is_not_stuck() -> None:
    waiting_task("long", seconds=-600)
    assert stuck_queues() == []


def test_a_task_behind_busy_workers_is_not_stuck() -> None:
    waiting_task("long", seconds=600)
    conducting(settings.TASK_WORKERS)
    assert stuck_queues() == []


def test_workers_of_another_host_do_not_count() -> None:
    waiting_task("long", seconds=600)
    conducting(settings.TASK_WORKERS, host="elsewhere")
    assert [stuck.service for stuck in stuck_queues()] == ["long-tasks"]


def test_silent_workers_are_restarted() -> None:
    ProcessHeartbeat.objects.update(seen_at=Now() - timedelta(seconds=45))
    assert stuck_queues() == [Stuck("tasks", "no worker answers"), Stuck("long-tasks", "no worker answers")]


def test_a_reconciler_of_this_host_must_be_seen() -> None:
    assert silent_reconciler() == [Stuck("reconciler", "it is not seen")]
    beat(ProcessKind.RECONCILER)
    assert silent_reconciler() == []
    ProcessHeartbeat.objects.update(host="elsewhere")
    assert silent_reconciler() == [Stuck("reconciler", "it is not seen")]
