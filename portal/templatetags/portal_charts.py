"""Charts for templates."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.safestring import SafeString

from migrations_app.selectors.replication import Point
from migrations_app.selectors.throughput import RatePoint
from portal.charts import Line, lines_over_time, shares, sparkline
from portal.templatetags.portal_format import bytes_in_words, duration, rate

register = template.Library()


@register.simple_tag
def throughput_line(line: Sequence[RatePoint]) -> SafeString:
    """Draw the speed of a copy over its whole time."""
    values = [point.bytes_per_second for point in line]
    if len(values) < 2:
        return SafeString("")
    length = duration((line[-1].at - line[0].at).total_seconds())
    return sparkline(values, label=f"Throughput over {length}, highest {rate(max(values))}, last {rate(values[-1])}")


@register.simple_tag
def lag_seconds_chart(points: Sequence[Point]) -> SafeString:
    """Draw how old the newest change on the subscriber is, over time."""
    values = [(point.place, point.lag_seconds) for point in points if point.lag_seconds is not None]
    if not values:
        return SafeString("")
    highest = max(value for _, value in values)
    label = f"Lag in seconds, highest {duration(highest)}, last {duration(values[-1][1])}"
    return lines_over_time([Line("lag", values)], label=label)


@register.simple_tag
def lag_bytes_chart(points: Sequence[Point]) -> SafeString:
    """Draw how much of the log is not applied yet, over time."""
    if not points:
        return SafeString("")
    values = [(point.place, float(point.lag_bytes)) for point in points]
    highest = max(value for _, value in values)
    label = f"Lag in bytes, highest {bytes_in_words(highest)}, last {bytes_in_words(values[-1][1])}"
    return lines_over_time([Line("lag", values)], label=label)


@register.simple_tag
def rates_chart(points: Sequence[Point]) -> SafeString:
    """Draw what is written on the publisher against what is applied, over time."""
    if not points:
        return SafeString("")
    produced = Line("produced", [(point.place, point.produced) for point in points])
    applied = Line("applied", [(point.place, point.applied) for point in points])
    label = f"Written {rate(points[-1].produced)}, applied {rate(points[-1].applied)}"
    return lines_over_time([produced, applied], label=label)


@register.filter
def highest(points: Sequence[Point], name: str) -> float | None:
    """Return the highest value of one of the lines."""
    values = [getattr(point, name) for point in points]
    return max((value for value in values if value is not None), default=None)


@register.filter
def highest_rate(points: Sequence[Point]) -> float | None:
    """Return the highest of what was written and what was applied, in bytes a second."""
    return max((max(point.produced, point.applied) for point in points), default=None)


@register.filter
def peak(line: Sequence[RatePoint]) -> float | None:
    """Return the highest speed, in bytes a second."""
    return max((point.bytes_per_second for point in line), default=None)


@register.simple_tag
def result_shares(identical: int, different: int, could_not_verify: int) -> SafeString:
    """Draw the three results of a verification as one bar."""
    label = f"{identical} identical, {different} different, {could_not_verify} could not be verified"
    return shares([("failed", different), ("waiting", could_not_verify), ("ok", identical)], label=label)


@register.filter
def about(seconds: float | None) -> str:
    """Write an estimate without pretending to know seconds: ``about 2 min``, ``less than a minute``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return "less than a minute"
    if seconds < 600:
        return f"about {round(seconds / 60)} min"
    return f"about {duration(round(seconds / 300) * 300)}"
