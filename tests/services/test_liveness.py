"""Who is alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from migrations_app.models import ProcessHeartbeat
from migrations_app.services.liveness import (
    ProcessKind,
    beat,
    forget_the_dead,
    seen_seconds_ago,
    workers_seen_seconds_ago,
)
from migrations_app.tasks import answer_task

pytestmark = pytest.mark.django_db


def test_nobody_was_seen_yet() -> None:
    assert workers_seen_seconds_ago() is None


def test_a_beat_is_one_row_per_process() -> None:
    beat(ProcessKind.CLUSTER)
    beat(ProcessKind.CLUSTER)
    assert ProcessHeartbeat.objects.count() == 1
    assert workers_seen_seconds_ago() is None


def test_an_answered_task_proves_a_worker() -> None:
    answer_task()
    ProcessHeartbeat.objects.update(seen_at=Now() - timedelta(seconds=40))
    seconds = workers_seen_seconds_ago()
    assert seconds is not None and 39 < seconds < 60


def test_the_dead_are_forgotten_but_for_the_last_of_each_kind() -> None:
    for pid, minutes in ((1, 60), (2, 30), (3, 0)):
        ProcessHeartbeat.objects.create(kind="cluster", host="a", pid=pid, seen_at=Now() - timedelta(minutes=minutes))
    ProcessHeartbeat.objects.create(kind="worker", host="a", pid=4, seen_at=Now() - timedelta(minutes=60))
    assert forget_the_dead() == 2
    assert sorted(ProcessHeartbeat.objects.values_list("pid", flat=True)) == [3, 4]
    seconds = seen_seconds_ago("worker")
    assert seconds is not None and seconds > 3000
