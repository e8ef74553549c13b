"""Notice what lives but does not work: a queue nobody empties, pages that do not answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.models.functions import Now
from django_q.models import OrmQ

from migrations_app.models import ProcessHeartbeat, Run
from migrations_app.services.liveness import ProcessKind, workers_seen_seconds_ago
from portal.launcher import web_health
from portal.launcher.console import log
from portal.launcher.service import ServiceRunner
from portal.launcher.services import LONG_TASKS, QUEUES, RECONCILER, WEB
from portal.launcher.web_health import Health

CHECK_EVERY_SECONDS = 5.0
QUEUE_STUCK_AFTER = timedelta(seconds=20)
SILENT_AFTER = timedelta(seconds=30)
SETTLED_AFTER_SECONDS = 40.0
SILENCES_BEFORE_RESTART = 3


@dataclass(frozen=True)
class Stuck:
    """A service that must be restarted, and why."""

    service: str
    reason: str


class Watchdog:
    """Looks at the services every few seconds."""

    def __init__(self) -> None:
        self._next_check_at = 0.0
        self._silences_in_a_row = 0
        self._database_answered = True

    def look(self, runners: Sequence[ServiceRunner]) -> list[Stuck]:
        """Return the stuck services, when it is time to look. One that was just started is given time."""
        if time.monotonic() < self._next_check_at:
            return []
        settled = {runner.name for runner in runners if runner.uptime_seconds > SETTLED_AFTER_SECONDS}
        found = [stuck for stuck in (*self._queues(), *self._web()) if stuck.service in settled]
        self._next_check_at = time.monotonic() + CHECK_EVERY_SECONDS
        return found

    def _queues(self) -> list[Stuck]:
        try:
            close_old_connections()
            found = [*stuck_queues(), *silent_reconciler()]
        except DatabaseError as error:
            connection.close()
            if self._database_answered:
                log(f"the portal's database does not answer: {str(error).strip()}")
            self._database_answered = False
            return []
        self._database_answered = True
        return found

    def _web(self) -> list[Stuck]:
        silent = web_health.ask(settings.BIND_HOST, settings.BIND_PORT) is Health.SILENT
        self._silences_in_a_row = self._silences_in_a_row + 1 if silent else 0
        if self._silences_in_a_row < SILENCES_BEFORE_RESTART:
            return []
        self._silences_in_a_row = 0
        return [Stuck(WEB, "it does not answer")]


def stuck_queues() -> list[Stuck]:
    """Return the services whose queue nobody empties, or all of them when no worker has answered for long."""
    seconds = workers_seen_seconds_ago()
    if seconds is None or seconds > SILENT_AFTER.total_seconds():
        return [Stuck(service, "no worker answers") for service in QUEUES.values()]
    waiting = OrmQ.objects.filter(lock__lt=Now() - QUEUE_STUCK_AFTER, key__in=QUEUES).values_list("key", flat=True)
    stuck = {QUEUES[key] for key in waiting.distinct()}
    if LONG_TASKS in stuck and every_worker_conducts():
        stuck.remove(LONG_TASKS)
    return [Stuck(service, "tasks wait although a worker is free") for service in sorted(stuck)]


def silent_reconciler() -> list[Stuck]:
    """Return the reconciler if this host's has not been seen for long."""
    beats = ProcessHeartbeat.objects.filter(kind=ProcessKind.RECONCILER, host=socket.gethostname())
    if beats.filter(seen_at__gt=Now() - SILENT_AFTER).exists():
        return []
    return [Stuck(RECONCILER, "it is not seen")]


def every_worker_conducts() -> bool:
    """Tell whether this host's workers all drive a migration, so that what waits behind them is not stuck."""
    ours = Run.objects.filter(lease_until__gt=Now(), owner__startswith=f"{socket.gethostname()}:")
    return ours.count() >= settings.TASK_WORKERS
