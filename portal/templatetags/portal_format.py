"""How numbers, times and states are written on every page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django import template
from django.template.defaultfilters import stringfilter
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from migrations_app.engine.events import Step
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.models.states import SourceType, State
from migrations_app.selectors.rail import LABELS as STEP_LABELS

register = template.Library()

BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
NOTHING = "—"
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 86400

# state -> (tone, icon); the tone picks the colour, and colour is never the only signal.
STATE_LOOKS: dict[str, tuple[str, str]] = {
    State.DRAFT: ("idle", "edit"),
    State.QUEUED: ("idle", "clock"),
    State.IN_PROGRESS: ("running", "running"),
    State.WAITING_FOR_USER: ("waiting", "hand"),
    State.PAUSED: ("waiting", "pause"),
    State.SUCCEEDED: ("ok", "ok"),
    State.FAILED: ("failed", "failed"),
    State.CANCELED: ("idle", "stop"),
    State.VALIDATION_FAILED: ("failed", "failed"),
    State.CLEANING_UP: ("running", "running"),
    "identical": ("ok", "ok"),
    "different": ("failed", "failed"),
    "could_not_verify": ("waiting", "alert"),
    "todo": ("idle", "dashed"),
    "running": ("running", "running"),
    "done": ("ok", "ok"),
    "failed": ("failed", "failed"),
    "skipped": ("idle", "right"),
}
WORDS = {"identical": "Identical", "different": "Different", "could_not_verify": "Could not verify", "todo": "To do"}

PROVIDER_ICONS: dict[str, str] = {
    SourceType.ON_PREMISES: "p-onprem",
    SourceType.AZURE_VM: "p-vm",
    SourceType.AWS_RDS: "p-rds",
    SourceType.AWS_AURORA: "p-aurora",
    SourceType.GCP_CLOUD_SQL: "p-cloudsql",
    SourceType.AWS_EC2: "p-vm",
    SourceType.GCP_COMPUTE: "p-vm",
    SourceType.DIGITAL_OCEAN_DROPLETS: "p-vm",
    SourceType.HUAWEI_COMPUTE: "p-vm",
    SourceType.EDB: "p-elephant",
    SourceType.EDB_POSTGRESQL: "p-elephant",
    SourceType.EDB_ORACLE: "p-elephant",
    SourceType.OTHER: "p-elephant",
}


SCRIPT_SIDES = {"source": "Script for the source server", "target": "Script for the target server"}
SCRIPT_SIDES |= {"both": "Script for both servers", "": "Script"}
SCRIPT_USES = {"after": ", to be run after the migration", "choice": ", if you decide to run it", "": ""}


@register.simple_tag
def script_heading(side: str, use: str, database: str) -> str:
    """Return the heading of a fix's script: on which server, in which database if it is not the obvious one, when."""
    return SCRIPT_SIDES[side] + (f", database {database}" if database else "") + SCRIPT_USES[use]


@register.filter
def fix_words(fix: str) -> str:
    """Return what a fix says; commands for a provider's tool follow on lines of their own."""
    return fix.partition("\n")[0]


@register.filter
def fix_commands(fix: str) -> str:
    """Return the commands of a fix, empty where it has none."""
    return fix.partition("\n")[2].strip()


@register.filter(name="bytes")
def bytes_in_words(value: float | str | None) -> str:
    """Return a size in binary units with one decimal: ``12.4 GiB``."""
    if value is None or value == "":
        return NOTHING
    size = float(value)
    if abs(size) < 1024:
        return f"{size:.0f} B"
    for unit in BINARY_UNITS[1:]:
        size /= 1024
        if abs(size) < 1023.95 or unit == BINARY_UNITS[-1]:
            break
    return f"{size:.1f} {unit}"


@register.filter
def rows(value: int | str | None) -> str:
    """Return a count with thousands separators: ``1,204,332``; an unknown count (None, negative) is a dash."""
    return NOTHING if value is None or value == "" or int(value) < 0 else f"{int(value):,}"


@register.filter
def counted(value: int | None, noun: str) -> str:
    """Return a count with its noun: ``1 table``, ``1,204 tables``."""
    return f"{rows(value)} {noun}{'' if value == 1 else 's'}"


@register.filter
def rate(bytes_per_second: float | None) -> str:
    """Return a throughput: ``118.0 MiB/s``."""
    return NOTHING if bytes_per_second is None else f"{bytes_in_words(bytes_per_second)}/s"


@register.filter
def duration(seconds: float | str | None) -> str:
    """Return a length of time in at most two units: ``2 h 14 min``, ``48 s``, ``0.4 s``."""
    if seconds is None or seconds == "":
        return NOTHING
    exact = max(0.0, float(seconds))
    if exact < 1:
        return f"{exact:.1f} s" if exact >= 0.05 else "< 0.1 s" if exact else "0 s"
    seconds = round(exact)
    if seconds < MINUTE_SECONDS:
        return f"{seconds} s"
    if seconds < HOUR_SECONDS:
        return _two(seconds, big=MINUTE_SECONDS, small=1, names=("min", "s"))
    if seconds < DAY_SECONDS:
        return _two(seconds, big=HOUR_SECONDS, small=MINUTE_SECONDS, names=("h", "min"))
    return _two(seconds, big=DAY_SECONDS, small=HOUR_SECONDS, names=("d", "h"))


@register.filter
def seconds(value: float | None) -> str:
    """Return a downtime: ``3.2 s``, with one decimal below a minute."""
    if value is None:
        return NOTHING
    return f"{value:.1f} s" if value < MINUTE_SECONDS else duration(value)


@register.filter
def since(moment: datetime | None) -> str:
    """Return how long ago a moment was, as a duration."""
    return NOTHING if moment is None else duration((timezone.now() - moment).total_seconds())


@register.filter
def lsn(place: int | None) -> str:
    """Return a place in the write-ahead log as PostgreSQL writes it: ``16/B374D848``."""
    return lsn_text(place) if place else NOTHING


def _two(seconds: float, *, big: int, small: int, names: tuple[str, str]) -> str:
    whole, rest = divmod(round(seconds / small) * small, big)
    return f"{whole:.0f} {names[0]} {rest // small:.0f} {names[1]}" if rest else f"{whole:.0f} {names[0]}"


def relative_words(moment: datetime, *, now: datetime) -> str:
    """Return ``3 min ago`` or ``in 2 h``; one unit only."""
    seconds = (now - moment).total_seconds()
    length = abs(seconds)
    if length < 5:
        return "just now"
    for size, name in ((DAY_SECONDS, "d"), (HOUR_SECONDS, "h"), (MINUTE_SECONDS, "min"), (1, "s")):
        if length >= size:
            count = int(length // size)
            return f"{count} {name} ago" if seconds > 0 else f"in {count} {name}"
    return "just now"


@register.simple_tag
def ago(moment: datetime | None) -> str:
    """Write a relative time; the viewer's own time and UTC are on hover. The browser keeps it fresh."""
    if moment is None:
        return NOTHING
    return _time_element(moment, relative_words(moment, now=timezone.now()), kind="ago")


@register.simple_tag
def at_time(moment: datetime | None) -> str:
    """Write an absolute time in the viewer's zone; UTC is on hover."""
    if moment is None:
        return NOTHING
    return _time_element(moment, f"{timezone.localtime(moment):%Y-%m-%d %H:%M}", kind="at")


@register.simple_tag
def at_clock(moment: datetime) -> str:
    """Write a time of this day as ``14:20``, and of another day with its date."""
    local = timezone.localtime(moment)
    if local.date() != timezone.localdate():
        return at_time(moment)
    return _time_element(moment, f"{local:%H:%M}", kind="clock")


@register.simple_tag
def at_second(moment: datetime) -> str:
    """Write an absolute time to the second: events of a migration follow each other within one."""
    return _time_element(moment, f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}", kind="second")


def _time_element(moment: datetime, words: str, *, kind: str) -> SafeString:
    utc = moment.astimezone(UTC)
    local = timezone.localtime(moment)
    title = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    if local.utcoffset() != utc.utcoffset():
        title = f"{local:%Y-%m-%d %H:%M:%S} {timezone.get_current_timezone_name()} · {title}"
    return format_html(
        '<time datetime="{}" title="{}" data-time="{}">{}</time>', utc.isoformat(timespec="seconds"), title, kind, words
    )


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Draw an icon of the sprite; decoration only, the words stand beside it."""
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="#i-{}"/></svg>', extra, name)


@register.simple_tag
def provider_icon(source_type: str, extra: str = "icon-provider") -> SafeString:
    """Draw our glyph for a kind of server."""
    return icon(PROVIDER_ICONS.get(source_type, "p-cloud"), extra)


@register.filter
@stringfilter
def provider_name(source_type: str) -> str:
    """Return the name people use for a source type."""
    return dict(SourceType.choices).get(source_type, source_type)


@register.filter
@stringfilter
def version_of(version_text: str) -> str:
    """Return ``18.6`` from what a server calls itself, which goes on with its compiler."""
    found = re.search(r"\d+(\.\d+)*", version_text)
    return found.group() if found else version_text


@register.filter
@stringfilter
def step_name(step: str) -> str:
    """Return what a step of the rail is called."""
    return STEP_LABELS[Step(step)] if step in list(Step) else step


@register.filter
def state_tone(state: str) -> str:
    """Return the tone of a state: idle, running, waiting, ok or failed."""
    return STATE_LOOKS.get(state, ("idle", "info"))[0]


@register.inclusion_tag("components/_state.html")
def state_badge(state: str, label: str = "") -> dict[str, str]:
    """Write a state as icon, word and colour. ``state`` is a State, a part's state or a verification result."""
    tone, icon_name = STATE_LOOKS.get(state, ("idle", "info"))
    words = label or WORDS.get(state) or dict(State.choices).get(state) or str(state).replace("_", " ").capitalize()
    return {"tone": tone, "icon_name": icon_name, "label": words}


@register.inclusion_tag("components/_progress.html")
def progress(done: float | None, total: float | None, tone: str = "running", label: str = "") -> dict[str, Any]:
    """Draw a bar of ``done`` of ``total``; a total of 0 is an empty bar."""
    part = min(1.0, float(done or 0) / float(total)) if total else 0.0
    return {"value": round(part * 1000), "maximum": 1000, "percent": int(part * 100), "tone": tone, "label": label}
