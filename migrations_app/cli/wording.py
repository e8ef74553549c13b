"""Sizes, durations and times as people read them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size_words(size_bytes: float) -> str:
    """``12.4 GiB``; bytes have no decimal."""
    value, unit = float(size_bytes), 0
    while value >= 1024 and unit < len(SIZE_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {SIZE_UNITS[unit]}" if unit else f"{value:.0f} B"


def duration_words(seconds: float | None) -> str:
    """``2 h 14 min``, ``3 min 5 s``, ``4.2 s``; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def time_words(at: datetime | None) -> str:
    """A time in the portal's zone, to the second; a dash for None."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z") if at else "–"
