"""How fast a migration copies, and how long it may still take: from its samples, and only when they are enough."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from uuid import UUID

from django.db.models import Case, F, FloatField, Max, When
from django.db.models.functions import Cast, Extract, Floor
from django.utils import timezone

from migrations_app.models import ThroughputSample

RECENT = timedelta(minutes=20)
RATE_SAMPLES = 13  # a minute at the recorder's usual pace of five seconds
MIN_SAMPLES = 4
MIN_SPAN_SECONDS = 8.0
QUIET_AFTER_SECONDS = 30.0
SPARKLINE_BINS = 90


@dataclass(frozen=True)
class Sample:
    """Bytes and rows copied so far at a moment."""

    at: datetime
    bytes_done: int
    rows_done: int


@dataclass(frozen=True)
class Rate:
    """Speed of the last minute or so; None where the samples are too few to say.

    ``quiet_seconds``: nothing has arrived for that long, where that is worth a word.
    """

    bytes_per_second: float | None = None
    rows_per_second: float | None = None
    quiet_seconds: float | None = None

    def seconds_left(self, bytes_left: int) -> float | None:
        """Estimate the rest of the copy, or None where no honest estimate exists."""
        if not self.bytes_per_second or self.quiet_seconds or bytes_left <= 0:
            return None
        return bytes_left / self.bytes_per_second


@dataclass(frozen=True)
class RatePoint:
    """One point of the throughput line: the mean speed of the interval that ends at ``at``."""

    at: datetime
    bytes_per_second: float


@dataclass(frozen=True)
class Throughput:
    """The speed now, and over the whole copy in at most ``SPARKLINE_BINS`` points."""

    rate: Rate = Rate()
    line: tuple[RatePoint, ...] = ()


def rate_from(samples: Sequence[Sample], *, now: datetime) -> Rate:
    """Compute the rate from the newest of ``samples``, which are in the order of time.

    A sample is recorded only when something arrived, and less often the longer a copy takes.
    """
    recent = samples[-RATE_SAMPLES:]
    if len(recent) < 2:
        return Rate()
    span = (recent[-1].at - recent[0].at).total_seconds()
    quiet = _quiet_seconds(recent, now=now)
    if len(recent) < MIN_SAMPLES or span < MIN_SPAN_SECONDS:
        return Rate(quiet_seconds=quiet)
    return Rate(
        bytes_per_second=max(recent[-1].bytes_done - recent[0].bytes_done, 0) / span,
        rows_per_second=max(recent[-1].rows_done - recent[0].rows_done, 0) / span,
        quiet_seconds=quiet,
    )


def _quiet_seconds(recent: Sequence[Sample], *, now: datetime) -> float | None:
    """How long nothing arrived, if that is much longer than the usual pause between samples."""
    usual = median((after.at - before.at).total_seconds() for before, after in pairwise(recent))
    quiet = (now - recent[-1].at).total_seconds()
    return quiet if quiet >= max(QUIET_AFTER_SECONDS, 3 * usual) else None


def current_rates(migration_ids: Collection[UUID]) -> dict[UUID, Rate]:
    """Read the rates of several running migrations (one query, none for no migration)."""
    if not migration_ids:
        return {}
    now = timezone.now()
    rows = ThroughputSample.objects.filter(migration_id__in=migration_ids, at__gte=now - RECENT)
    by_migration: dict[UUID, list[Sample]] = {}
    for row in rows.order_by("at", "id").values_list("migration_id", "at", "bytes_done", "rows_done"):
        by_migration.setdefault(row[0], []).append(Sample(*row[1:]))
    return {migration_id: rate_from(samples, now=now) for migration_id, samples in by_migration.items()}


def throughput_of(migration_id: UUID, *, since: datetime | None, until: datetime | None) -> Throughput:
    """Read the speed of a copy that began at ``since`` (one query, few rows however long the copy takes).

    Samples older than ``RECENT`` arrive binned from the database, the newer ones one by one for the rate.
    """
    if since is None:
        return Throughput()
    now = timezone.now()
    end = until or now
    width_seconds = max((end - since).total_seconds() / SPARKLINE_BINS, 1.0)
    samples = _samples(migration_id, since=since, fine_since=now - RECENT, width_seconds=width_seconds)
    line = tuple(_slopes(_thinned(samples, since=since, width_seconds=width_seconds)))
    return Throughput(rate=rate_from(samples, now=now) if until is None else Rate(), line=line)


def _samples(migration_id: UUID, *, since: datetime, fine_since: datetime, width_seconds: float) -> list[Sample]:
    """Binned samples have a negative group number, single ones their own id."""
    age = Cast(Extract(F("at") - since, "epoch"), FloatField())
    coarse_group = Floor(age / width_seconds) - 2**40
    group = Case(When(at__gte=fine_since, then=Cast(F("id"), FloatField())), default=coarse_group)
    rows = (
        ThroughputSample.objects.filter(migration_id=migration_id)
        .order_by()
        .annotate(group=group)
        .values("group")
        .annotate(until=Max("at"), bytes=Max("bytes_done"), rows=Max("rows_done"))
        .order_by("until")
    )
    return [Sample(*row) for row in rows.values_list("until", "bytes", "rows")]


def _thinned(samples: Iterable[Sample], *, since: datetime, width_seconds: float) -> list[Sample]:
    last_of_bin = {int((sample.at - since).total_seconds() // width_seconds): sample for sample in samples}
    return list(last_of_bin.values())


def _slopes(samples: Iterable[Sample]) -> Iterator[RatePoint]:
    before: Sample | None = None
    for sample in samples:
        if before is not None and sample.at > before.at:
            span = (sample.at - before.at).total_seconds()
            yield RatePoint(at=sample.at, bytes_per_second=max(sample.bytes_done - before.bytes_done, 0) / span)
        before = sample
