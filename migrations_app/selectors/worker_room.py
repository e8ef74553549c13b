"""Whether a queued migration waits because every worker is busy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Q
from django.db.models.functions import Now

from migrations_app.following import AT_WORK
from migrations_app.models import Migration, OnlinePhase, ProcessHeartbeat

ALIVE = timedelta(seconds=60)


@dataclass(frozen=True)
class WorkerRoom:
    """How many workers there are, on all hosts; how many drive a migration, and how many of these follow one."""

    workers: int
    busy: int
    following: int

    @property
    def is_full(self) -> bool:
        """Nobody is left for what is queued."""
        return self.busy >= self.workers


def worker_room() -> WorkerRoom:
    """Count workers and what they do (two queries)."""
    clusters = ProcessHeartbeat.objects.filter(kind="cluster", seen_at__gte=Now() - ALIVE).count()
    driven = Migration.objects.filter(AT_WORK, run__lease_until__gt=Now())
    followed = Q(databases__phase__in=[phase for phase in OnlinePhase if phase])
    counts = driven.aggregate(busy=Count("pk", distinct=True), following=Count("pk", distinct=True, filter=followed))
    return WorkerRoom(workers=settings.TASK_WORKERS * max(clusters, 1), **counts)
