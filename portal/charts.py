"""Charts as SVG, drawn on the server: no script, no inline style, good for pages and for print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 600, 64
HEADROOM = 1.05


def sparkline(values: Sequence[float], *, label: str) -> SafeString:
    """Draw values in the order of time as a filled line, from zero to a little above the highest.

    ``label`` says in words what is drawn; the picture scales to the width that the style sheet gives it.
    """
    if len(values) < 2:
        return SafeString("")
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in _points(values))
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<polygon class="sparkline-area" points="0,{h} {line} {w},{h}"/>'
        '<polyline class="sparkline-line" points="{line}" vector-effect="non-scaling-stroke"/></svg>',
        w=WIDTH,
        h=HEIGHT,
        label=label,
        line=line,
    )


@dataclass(frozen=True)
class Line:
    """One line of a chart over time: ``(place, value)`` with places from 0 to 1; ``tone`` is a class of the style."""

    tone: str
    points: Sequence[tuple[float, float]]


def lines_over_time(lines: Sequence[Line], *, label: str) -> SafeString:
    """Draw lines on one scale, from zero to a little above the highest; nothing where there is nothing to draw."""
    drawn = [line for line in lines if len(line.points) > 1]
    if not drawn:
        return SafeString("")
    top = max(value for line in drawn for _, value in line.points) * HEADROOM or 1.0
    grid = format_html_join("", '<path class="grid" d="M0 {0}H{1}" vector-effect="non-scaling-stroke"/>', _grid())
    shapes = grid + format_html_join("", "{}", ((_polyline(line, top=top),) for line in drawn))
    return format_html(
        '<svg class="lines" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        HEIGHT,
        label,
        shapes,
    )


def _grid() -> list[tuple[str, int]]:
    """Hairlines at the highest value and at half of it."""
    return [(f"{HEIGHT - HEIGHT * share / HEADROOM:.1f}", WIDTH) for share in (1.0, 0.5)]


def _polyline(line: Line, *, top: float) -> SafeString:
    points = " ".join(f"{WIDTH * place:.1f},{HEIGHT - HEIGHT * value / top:.1f}" for place, value in line.points)
    return format_html('<polyline class="line-{}" points="{}" vector-effect="non-scaling-stroke"/>', line.tone, points)


def shares(parts: Sequence[tuple[str, int]], *, label: str) -> SafeString:
    """Draw one bar whose segments are ``(tone, count)``; a segment that counts anything is at least a hairline wide."""
    total = sum(count for _, count in parts)
    if not total:
        return SafeString("")
    x = 0.0
    segments = SafeString("")
    for tone, count in parts:
        width = max(WIDTH * count / total, 3.0) if count else 0.0
        segments += format_html(
            '<rect class="share-{}" x="{}" y="0" width="{}" height="8"/>', tone, f"{x:.1f}", f"{width:.1f}"
        )
        x += width
    return format_html(
        '<svg class="shares" viewBox="0 0 {} 8" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        f"{x:.1f}",
        label,
        segments,
    )


def _points(values: Sequence[float]) -> list[tuple[float, float]]:
    top = max(values) * HEADROOM or 1.0
    step = WIDTH / (len(values) - 1)
    return [(number * step, HEIGHT - HEIGHT * value / top) for number, value in enumerate(values)]
