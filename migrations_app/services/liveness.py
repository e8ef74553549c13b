"""Which processes of the portal are alive, by the portal database's clock.

``cluster`` and ``reconciler`` beat by themselves. ``worker`` is proof: it is stamped by a task that went through the
queue to a worker, or by a conductor at work.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from enum import StrEnum

from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now

from migrations_app.models import ProcessHeartbeat

STALE_AFTER = timedelta(minutes=2)


class ProcessKind(StrEnum):
    """Kinds of processes that beat."""

    CLUSTER = "cluster"
    WORKER = "worker"
    RECONCILER = "reconciler"


def beat(kind: ProcessKind | str) -> None:
    """Note that this process is alive."""
    ProcessHeartbeat.objects.bulk_create(
        [ProcessHeartbeat(kind=str(kind), host=socket.gethostname(), pid=os.getpid(), seen_at=Now())],
        update_conflicts=True,
        unique_fields=["kind", "host", "pid"],
        update_fields=["seen_at"],
    )


def workers_seen_seconds_ago() -> float | None:
    """Return how long ago a worker last answered, in seconds; None if none ever did."""
    return seen_seconds_ago(ProcessKind.WORKER)


def seen_seconds_ago(kind: ProcessKind | str) -> float | None:
    """Return how long ago a process of this kind was last seen, in seconds; None if never."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - max(seen_at)) FROM migrations_app_processheartbeat"
            " WHERE kind = %s",
            [str(kind)],
        )
        row = cursor.fetchone()
    return None if row is None or row[0] is None else max(0.0, float(row[0]))


def forget_the_dead() -> int:
    """Delete heartbeats of processes long gone, except the newest of each kind. Returns how many."""
    newest = ProcessHeartbeat.objects.values("kind").annotate(newest=Max("seen_at")).values_list("newest", flat=True)
    dead = ProcessHeartbeat.objects.filter(seen_at__lt=Now() - STALE_AFTER).exclude(seen_at__in=list(newest))
    return dead.delete()[0]
