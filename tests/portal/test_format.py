"""How numbers, times and states are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone

from migrations_app.engine.findings import FindingSide
from migrations_app.models import SourceType, State
from portal.templatetags import portal_format


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (13_314_398_618, "12.4 GiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**5 * 3000, "3000.0 PiB"),
        (None, "—"),
    ],
)
def test_sizes_are_binary_with_one_decimal(size: int | None, words: str) -> None:
    assert portal_format.bytes_in_words(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (48, "48 s"),
        (59.9, "1 min"),
        (60, "1 min"),
        (0.02, "< 0.1 s"),
        (0, "0 s"),
        (61, "1 min 1 s"),
        (3599.9, "1 h"),
        (8040, "2 h 14 min"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (None, "—"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, words: str) -> None:
    assert portal_format.duration(seconds) == words


def test_rows_and_rates() -> None:
    assert portal_format.rows(1204332) == "1,204,332"
    assert portal_format.rows(-1) == "—"
    assert portal_format.rate(118 * 1024**2) == "118.0 MiB/s"


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "just now"), (42, "42 s ago"), (3 * 3600 + 50, "3 h ago"), (-7200, "in 2 h")]
)
def test_relative_times(seconds: int, words: str) -> None:
    now = timezone.now()
    assert portal_format.relative_words(now - timedelta(seconds=seconds), now=now) == words


def test_a_time_shows_the_viewers_zone_and_utc_on_hover() -> None:
    moment = datetime(2026, 11, 22, 8, 44, tzinfo=UTC)
    with timezone.override(ZoneInfo("Europe/Berlin")):
        written = str(portal_format.at_time(moment))
    assert ">2026-11-22 09:44</time>" in written
    assert 'title="2026-11-22 09:44:00 Europe/Berlin · 2026-11-22 08:44:00 UTC"' in written
    assert 'datetime="2026-11-22T08:44:00+00:00"' in written


@pytest.mark.parametrize("state", State.values)
def test_every_state_has_an_icon_a_word_and_a_tone(state: str) -> None:
    written = Template("{% load portal_format %}{% state_badge state %}").render(Context({"state": state}))
    assert "<use href=" in written
    assert State(state).label in written


def test_every_icon_that_is_used_exists() -> None:
    sprite = Template("{% include 'components/_icons.html' %}").render(Context())
    names = {icon for _, icon in portal_format.STATE_LOOKS.values()} | set(portal_format.PROVIDER_ICONS.values())
    assert all(f'id="i-{name}"' in sprite for name in names)
    assert set(portal_format.PROVIDER_ICONS) <= set(SourceType.values)


def test_a_bar_of_an_unknown_total_is_empty() -> None:
    written = Template("{% load portal_format %}{% progress 5 0 %}").render(Context())
    assert 'value="0"' in written


def test_the_commands_of_a_fix_are_told_from_its_words() -> None:
    fix = "Set it in the console.\naz one\naz two\n"
    assert (portal_format.fix_words(fix), portal_format.fix_commands(fix)) == (
        "Set it in the console.",
        "az one\naz two",
    )
    assert (portal_format.fix_words("Do it."), portal_format.fix_commands("Do it.")) == ("Do it.", "")


@pytest.mark.parametrize("side", FindingSide)
def test_every_script_says_where_it_runs(side: FindingSide) -> None:
    assert portal_format.script_heading(side.value, "", "").startswith("Script")
    assert portal_format.script_heading(side.value, "choice", "template1").endswith(
        ", database template1, if you decide to run it"
    )
