"""How far the changes of each database are: rates, a forecast, and lines over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from django.utils import timezone

from migrations_app.engine.replication.apply import ApplyState
from migrations_app.following import FollowedDatabase, followed_databases
from migrations_app.models import Migration, OnlinePhase, Replication, ReplicationSample
from migrations_app.selectors.alarms import Gauge, gauges_of

BINS = 120
RATE_SECONDS = 120.0
TABLE_ROWS = 20
MIN_SAMPLES = 4
MIN_SPAN_SECONDS = 6.0
CLOSE_BYTES = 4 * 1024 * 1024
CLOSE_SECONDS = 5.0
NOTICEABLY_FASTER = 1.02
STALE_AFTER_SECONDS = 30.0


class Span(StrEnum):
    """How far back the lines go."""

    TEN_MINUTES = "10m"
    HOUR = "1h"
    DAY = "1d"
    ALL = "all"


SPANS = {
    Span.TEN_MINUTES: timedelta(minutes=10),
    Span.HOUR: timedelta(hours=1),
    Span.DAY: timedelta(days=1),
    Span.ALL: timedelta(days=14),
}


class Outlook(StrEnum):
    """What becomes of the lag."""

    CLOSE = "close"
    COPYING = "copying"
    CATCHING_UP = "catching_up"
    FALLING_BEHIND = "falling_behind"
    RESTING = "resting"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rates:
    """The last two minutes: bytes of log a second that the publisher wrote and that were applied, rows a second."""

    produced: float | None = None
    applied: float | None = None
    changes: float | None = None
    retained_growth: float | None = None


@dataclass(frozen=True)
class Forecast:
    """When it is caught up, from the rates; ``seconds`` only where it will be."""

    outlook: Outlook
    seconds: float | None = None

    @property
    def at(self) -> datetime | None:
        """The moment at which it is caught up."""
        return timezone.now() + timedelta(seconds=self.seconds) if self.seconds is not None else None


@dataclass(frozen=True)
class Point:
    """One point of the lines; rates are of the interval that ends at ``at``. ``place``: 0 to 1 of the span."""

    at: datetime
    place: float
    lag_bytes: int
    lag_seconds: float | None
    produced: float
    applied: float


@dataclass(frozen=True)
class Followed:
    """One database as the Replication side shows it."""

    each: FollowedDatabase
    rates: Rates
    forecast: Forecast
    points: tuple[Point, ...]
    alarm_bytes: int
    since: datetime | None = None
    gauges: tuple[Gauge, ...] = ()

    @property
    def replication(self) -> Replication | None:
        """The direction that matters now."""
        return self.each.replication

    @property
    def is_stale(self) -> bool:
        """Nobody has looked for a while."""
        row = self.replication
        if row is None or row.sampled_at is None:
            return False
        return (timezone.now() - row.sampled_at).total_seconds() > STALE_AFTER_SECONDS

    @property
    def is_over_alarm(self) -> bool:
        """The slot holds back more of the source's log than was agreed."""
        return bool(self.replication and (self.replication.retained_wal_bytes or 0) > self.alarm_bytes)

    @property
    def rows(self) -> tuple[Point, ...]:
        """Some of the points, the newest first, to be read as a table."""
        every = max(1, -(-len(self.points) // TABLE_ROWS))
        return tuple(self.points[::-1][::every])

    @property
    def seconds_to_alarm(self) -> float | None:
        """When the slot holds back that much, if it goes on like this; None where it does not grow."""
        growth, row = self.rates.retained_growth, self.replication
        if row is None or row.retained_wal_bytes is None or not growth or growth <= 0 or self.is_over_alarm:
            return None
        return (self.alarm_bytes - row.retained_wal_bytes) / growth


def followed_of(migration: Migration, *, chosen: str, span: Span) -> tuple[list[FollowedDatabase], Followed | None]:
    """Return every followed database, and the one to show in full: ``chosen``, else the one that most needs a look."""
    every = followed_databases(migration)
    if not every:
        return [], None
    one = next((each for each in every if each.name == chosen), None) or max(every, key=_urgency)
    return every, _in_full(one, migration, span=span)


def _urgency(each: FollowedDatabase) -> tuple[bool, bool, int]:
    row = each.replication
    if row is None:
        return False, False, -1
    return row.state == ApplyState.BROKEN, each.database.phase != OnlinePhase.CUT_OVER, row.lag_bytes or 0


def _in_full(each: FollowedDatabase, migration: Migration, *, span: Span) -> Followed:
    row, alarm_bytes = each.replication, migration.retained_wal_bytes
    if row is None:
        return Followed(each, Rates(), Forecast(Outlook.UNKNOWN), (), alarm_bytes)
    now = timezone.now()
    since = max(now - SPANS[span], row.started_at)
    samples = list(row.samples.filter(at__gte=min(since, now - timedelta(seconds=RATE_SECONDS))).order_by("at", "id"))
    recent = [sample for sample in samples if (now - sample.at).total_seconds() <= RATE_SECONDS]
    rates = rates_of(recent)
    shown = [sample for sample in samples if sample.at >= since]
    points = tuple(_points(_thinned(shown, since=since, until=now), since=since, until=now))
    gauges = tuple(gauges_of(migration, row))
    return Followed(each, rates, forecast_of(row, rates), points, alarm_bytes, since, gauges)


def rates_of(samples: Sequence[ReplicationSample]) -> Rates:
    """Compute rates from samples in the order of time; nothing from too few."""
    if len(samples) < MIN_SAMPLES:
        return Rates()
    first, last = samples[0], samples[-1]
    span = (last.at - first.at).total_seconds()
    if span < MIN_SPAN_SECONDS:
        return Rates()
    return Rates(
        produced=max(last.source_lsn - first.source_lsn, 0) / span,
        applied=max(last.applied_lsn - first.applied_lsn, 0) / span,
        changes=_slope(first.changes, last.changes, span),
        retained_growth=_slope(first.retained_wal_bytes, last.retained_wal_bytes, span),
    )


def forecast_of(row: Replication, rates: Rates) -> Forecast:
    """Say when the lag is gone; a lag that both rates keep as it is never goes."""
    if row.state in (ApplyState.PAUSED, ApplyState.BROKEN, ApplyState.RECONNECTING):
        return Forecast(Outlook.RESTING)
    if row.state == ApplyState.STARTING and row.caught_up_at is None and row.lag_bytes is not None:
        return Forecast(Outlook.COPYING)
    if row.lag_bytes is None:
        return Forecast(Outlook.UNKNOWN)
    is_close = row.lag_seconds <= CLOSE_SECONDS if row.lag_seconds is not None else row.lag_bytes <= CLOSE_BYTES
    if is_close:
        return Forecast(Outlook.CLOSE)
    if rates.produced is None or rates.applied is None:
        return Forecast(Outlook.UNKNOWN)
    if rates.applied <= rates.produced * NOTICEABLY_FASTER:
        return Forecast(Outlook.FALLING_BEHIND)
    return Forecast(Outlook.CATCHING_UP, seconds=row.lag_bytes / (rates.applied - rates.produced))


def _slope(first: int | None, last: int | None, span: float) -> float | None:
    return None if first is None or last is None else (last - first) / span


def _thinned(samples: Iterable[ReplicationSample], *, since: datetime, until: datetime) -> list[ReplicationSample]:
    """At most ``BINS`` samples: the last of each stretch of time."""
    width = max((until - since).total_seconds() / BINS, 1.0)
    last_of_bin = {int((sample.at - since).total_seconds() // width): sample for sample in samples}
    return list(last_of_bin.values())


def _points(samples: Sequence[ReplicationSample], *, since: datetime, until: datetime) -> Iterator[Point]:
    length = max((until - since).total_seconds(), 1.0)
    for before, after in pairwise(samples):
        span = (after.at - before.at).total_seconds()
        if span <= 0:
            continue
        yield Point(
            at=after.at,
            place=(after.at - since).total_seconds() / length,
            lag_bytes=after.lag_bytes,
            lag_seconds=after.lag_seconds,
            produced=max(after.source_lsn - before.source_lsn, 0) / span,
            applied=max(after.applied_lsn - before.applied_lsn, 0) / span,
        )
