"""Bytes and rows copied so far, every few seconds, for the sparkline and the rate."""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Min, QuerySet, Sum

from migrations_app.engine.events import Event
from migrations_app.models import MigrationDatabase, ThroughputSample

EVERY_SECONDS = 5.0
KEPT_SAMPLES = 2000
Numbers = tuple[int, int]


class SampleLedger:
    """Adds a sample while the numbers grow. When there are too many, every second one goes and the pace slows."""

    def __init__(self, migration_id: UUID) -> None:
        self.migration_id = migration_id
        self._stored: Numbers = self._samples().values_list("bytes_done", "rows_done").last() or (0, 0)
        self._new: Numbers | None = None
        self._next_at = 0.0

    def take(self, event: Event, *, at: datetime) -> None:
        """Samples come from the clock, not from events."""

    def write(self) -> bool:
        """Add a sample if it is time and the numbers changed."""
        self._new = None
        if time.monotonic() < self._next_at:
            return False
        databases = MigrationDatabase.objects.filter(migration_id=self.migration_id)
        sums = databases.aggregate(bytes=Sum("bytes_done", default=0), rows=Sum("rows_done", default=0))
        now = (int(sums["bytes"]), int(sums["rows"]))
        if now == self._stored:
            return False
        ThroughputSample.objects.create(migration_id=self.migration_id, bytes_done=now[0], rows_done=now[1])
        self._thin_out()
        self._new = now
        return True

    def stored(self) -> None:
        """Wait for the next moment."""
        if self._new:
            self._stored = self._new
            self._next_at = time.monotonic() + self._pace_seconds()

    def _samples(self) -> QuerySet[ThroughputSample]:
        return ThroughputSample.objects.filter(migration_id=self.migration_id)

    def _thin_out(self) -> None:
        keys = list(self._samples().values_list("pk", flat=True))
        if len(keys) > KEPT_SAMPLES:
            ThroughputSample.objects.filter(pk__in=keys[1:-1:2]).delete()

    def _pace_seconds(self) -> float:
        """A thousandth of the time sampled so far, so that a copy of days keeps a bounded number of samples."""
        span = self._samples().aggregate(first=Min("at"), last=Max("at"))
        seconds: float = (span["last"] - span["first"]).total_seconds()
        return max(EVERY_SECONDS, seconds / (KEPT_SAMPLES / 2))
