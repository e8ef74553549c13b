"""What is watched while changes are followed: values against thresholds, reminders, and the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import Migration, OnlinePhase
from tests.portal.page_reading import page_of, words
from tests.portal.sample_online import online
from tests.portal.sample_rows import GIB
from tests.portal.test_replication import update

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    return client_of(dana)


def test_complaint_19_a_slot_that_holds_back_too_much_is_an_alarm(browser: Client) -> None:
    migration = online()
    update(migration, retained_wal_bytes=12 * GIB)
    text = words(page_of(browser, migration))
    assert "Log held back by the slot never given up by itself 12.0 GiB above 10.0 GiB Above" in text
    assert "The slot holds back more log than was agreed." in text and "that server stops for everybody" in text
    Migration.objects.update(protect_source=True)
    text = words(page_of(browser, migration))
    assert "At 20.0 GiB, or when less than 5 % of its disk are free, the slot is given up" in text
    assert "Needs a look" in words(browser.get(reverse("dashboard")).content.decode())


def test_what_is_watched_is_shown_against_its_threshold(browser: Client) -> None:
    migration = online()
    text = words(page_of(browser, migration))
    assert "Lag how old what is applied is 0.4 s above 5 min In order" in text
    assert "not known: neither max_slot_wal_keep_size nor the free disk can be seen" in text
    update(migration, lag_seconds=400, room_bytes=2 * GIB, room_limit="disk", full_in_seconds=1800)
    text = words(page_of(browser, migration))
    assert "above 5 min Above" in text and "The lag is above its threshold." in text
    assert "2.0 GiB until the disk of its log is full, and the server stops about 30 min below 4 h Too little" in text


def test_one_that_still_catches_up_is_on_the_dashboard_when_it_needs_a_look(browser: Client) -> None:
    migration = online(phase=OnlinePhase.FOLLOWING)
    dashboard = reverse("dashboard")
    assert "Needs a look" not in words(browser.get(dashboard).content.decode())
    update(migration, full_in_seconds=60, caught_up_at=None)
    assert "The source's room for its log runs out" in words(browser.get(dashboard).content.decode())
    update(migration, full_in_seconds=None)
    Migration.objects.update(started_at=timezone.now() - timedelta(days=8))
    assert "It has been running for more than 7 days" in words(browser.get(dashboard).content.decode())
    Migration.objects.update(warn_after_days=9)
    assert "Needs a look" not in words(browser.get(dashboard).content.decode())


def test_azures_timeouts_are_reminders_that_end_nothing(browser: Client) -> None:
    migration = online()
    assert "longer than the" not in words(page_of(browser, migration))
    Migration.objects.update(started_at=timezone.now() - timedelta(days=9))
    update(migration, caught_up_at=timezone.now() - timedelta(days=4))
    text = words(page_of(browser, migration))
    assert "It has been running for 9 d, longer than the 7 days that were wished. Nothing is ended by that" in text
    assert "It waits for its cutover for 4 d, longer than the 3 days" in text
    dashboard = words(browser.get(reverse("dashboard")).content.decode())
    assert "It has been running for more than 7 days; it waits for its cutover for more than 3 days" in dashboard
    Migration.objects.update(warn_after_days=0, warn_cutover_days=5)
    assert "longer than the" not in words(page_of(browser, migration))
