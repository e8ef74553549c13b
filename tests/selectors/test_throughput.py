"""The rate and the time left are honest: no number before there is one, none when nothing arrives."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from migrations_app.models import ThroughputSample
from migrations_app.selectors.throughput import SPARKLINE_BINS, Sample, current_rates, rate_from, throughput_of
from tests.portal import sample_rows as rows

NOW = timezone.now()


def samples(*bytes_done: int, every: float = 5.0, ago: float = 0.0) -> list[Sample]:
    """Samples of which the newest is ``ago`` seconds old."""
    newest = NOW - timedelta(seconds=ago)
    ages = range(len(bytes_done) - 1, -1, -1)
    return [
        Sample(at=newest - timedelta(seconds=every * age), bytes_done=done, rows_done=done // 10)
        for age, done in zip(ages, bytes_done, strict=True)
    ]


def test_a_rate_needs_more_than_a_few_seconds() -> None:
    assert rate_from([], now=NOW).bytes_per_second is None
    assert rate_from(samples(0, 1000), now=NOW).bytes_per_second is None
    assert rate_from(samples(0, 1000, 2000, 3000, every=1), now=NOW).bytes_per_second is None


def test_the_rate_is_that_of_the_last_minute() -> None:
    rate = rate_from(samples(0, 10, 20, *range(1000, 14_001, 1000)), now=NOW)
    assert rate.bytes_per_second == pytest.approx(200)
    assert rate.rows_per_second == pytest.approx(20)
    assert rate.seconds_left(2000) == pytest.approx(10)


def test_when_nothing_arrives_there_is_no_estimate_but_a_word() -> None:
    rate = rate_from(samples(0, 1000, 2000, 3000, 4000, ago=45), now=NOW)
    assert rate.quiet_seconds == pytest.approx(45)
    assert rate.seconds_left(5000) is None


def test_a_slow_pace_of_samples_is_not_silence() -> None:
    rate = rate_from(samples(0, 1000, 2000, 3000, 4000, every=80, ago=70), now=NOW)
    assert rate.quiet_seconds is None
    assert rate.seconds_left(1000) == pytest.approx(80)


def test_nothing_left_needs_no_time() -> None:
    assert rate_from(samples(0, 1000, 2000, 3000), now=NOW).seconds_left(0) is None


def test_a_table_copied_again_makes_no_negative_rate() -> None:
    assert rate_from(samples(9000, 8000, 4000, 1000), now=NOW).bytes_per_second == 0


@pytest.mark.django_db
def test_a_long_copy_is_one_query_and_few_points() -> None:
    migration = rows.migration("long")
    start = timezone.now() - timedelta(hours=5)
    made = [ThroughputSample(migration=migration, bytes_done=number * 1000, rows_done=number) for number in range(1800)]
    ThroughputSample.objects.bulk_create(made)
    for number, sample in enumerate(made):
        sample.at = start + timedelta(seconds=10 * number)
    ThroughputSample.objects.bulk_update(made, ["at"], batch_size=500)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        throughput = throughput_of(migration.pk, since=start, until=None)
    assert len(queries) == 1
    assert SPARKLINE_BINS * 0.9 <= len(throughput.line) <= SPARKLINE_BINS + 1
    assert throughput.rate.bytes_per_second == pytest.approx(100, rel=0.05)
    assert all(point.bytes_per_second == pytest.approx(100, rel=0.3) for point in throughput.line)


@pytest.mark.django_db
def test_rates_of_several_migrations_are_one_query() -> None:
    first, second = rows.migration("first"), rows.migration("second")
    rows.add_samples(first, seconds=60)
    rows.add_samples(second, seconds=60, rate=10 * rows.MIB)
    with CaptureQueriesContext(connection) as queries:
        rates = current_rates([first.pk, second.pk])
    assert len(queries) == 1
    assert (rates[first.pk].bytes_per_second or 0) > (rates[second.pk].bytes_per_second or 0) > 0
    assert current_rates([]) == {}
