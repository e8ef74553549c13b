"""Charts for templates."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.safestring import SafeString

from migrations_app.selectors.throughput import RatePoint
from portal.charts import shares, sparkline
from portal.templatetags.portal_format import duration, rate

register = template.Library()


@register.simple_tag
def throughput_line(line: Sequence[RatePoint]) -> SafeString:
    """Draw the speed of a copy over its whole time."""
    values = [point.bytes_per_second for point in line]
    if len(values) < 2:
        return SafeString("")
    length = duration((line[-1].at - line[0].at).total_seconds())
    return sparkline(values, label=f"Throughput over {length}, highest {rate(max(values))}, last {rate(values[-1])}")


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
