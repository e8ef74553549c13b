"""The Online part of the options step, and what the review says of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from migrations_app.engine.spec import MigrationMode
from migrations_app.models import Migration
from portal.forms.online import OnlineForm, initial_online
from portal.wizard.review import decisions, source_effects
from tests.portal.wizard_steps import OPTIONS, page_text, start_draft, step_url

pytestmark = pytest.mark.django_db
ONLINE = {
    "apply_engine": "through_portal",
    "source_as_seen_by_target": "10.0.4.7",
    "without_identity": "full",
    "sequence_headroom": "500",
    "cutover_minutes": "5",
    "cutover_verification": "full",
    "fall_back": "on",
    "retained_wal_gib": "2.5",
    "protect_source": "give_up",
    "give_up_wal_gib": "6",
    "lag_alarm_minutes": "2",
    "room_alarm_minutes": "90",
    "warn_after_days": "10",
    "warn_cutover_days": "0",
}


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    return client_of(dana)


@pytest.fixture
def draft(browser: Client) -> Migration:
    return start_draft(browser, mode="Online")


def test_an_offline_migration_is_not_asked(browser: Client) -> None:
    text = page_text(browser.get(step_url(start_draft(browser), "options")))
    assert "Who carries the changes" not in text


def test_every_field_says_in_a_sentence_what_it_does(browser: Client, draft: Migration) -> None:
    text = page_text(browser.get(step_url(draft, "options")))
    for words in (
        "From the first moment of the copy every change on the source is kept",
        "updates and deletes cannot be followed",
        "A schema _migration_portal with one table is made in each database of the source",
        "Writes are blocked no longer than this",
        "Room for values that were handed out",
        "Changes on the target travel back to the old source until you finish",
        "this must fit on its disk",
        "A pause does not help: what nobody reads is kept.",
        "Azure's service ends a migration after 7 days. This one goes on",
    ):
        assert words in text


def test_what_is_chosen_is_kept(browser: Client, draft: Migration) -> None:
    response = browser.post(step_url(draft, "options"), OPTIONS | ONLINE)
    assert response.status_code == 302, page_text(response)
    row = Migration.objects.get()
    assert (row.apply_engine, row.source_as_seen_by_target) == ("through_portal", "10.0.4.7:5432")
    assert (row.without_identity, row.heartbeat, row.sequence_headroom) == ("full", False, 500)
    assert (row.cutover_seconds, row.cutover_verification, row.fall_back) == (300, "full", True)
    assert (row.retained_wal_bytes, row.protect_source) == (int(2.5 * 1024**3), True)
    assert (row.lag_alarm_seconds, row.room_alarm_seconds, row.give_up_wal_bytes) == (120, 5400, 6 * 1024**3)
    assert (row.warn_after_days, row.warn_cutover_days) == (10, 0)
    assert OnlineForm(initial_online(row)).is_valid(), "what is stored can be shown and saved again"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("source_as_seen_by_target", "dba@10.0.0.7:x", "host:port"),
        ("source_as_seen_by_target", "10.0.0.7:5432@dba", "Write host:port"),
        ("cutover_minutes", "0", "At least 1 minute."),
        ("sequence_headroom", "-1", "At least 0."),
        ("retained_wal_gib", "0", "More than 0 GiB."),
        ("give_up_wal_gib", "2", "More than the size of the warning."),
        ("lag_alarm_minutes", "0", "At least 1 minute."),
        ("apply_engine", "magic", "Select a valid choice"),
    ],
)
def test_bad_values_are_refused_beside_their_field(
    browser: Client, draft: Migration, field: str, value: str, words: str
) -> None:
    response = browser.post(step_url(draft, "options"), OPTIONS | ONLINE | {field: value})
    assert response.status_code == 200
    assert words in page_text(response)
    assert Migration.objects.get().fall_back is False


def test_an_address_of_version_6_keeps_its_brackets(draft: Migration) -> None:
    form = OnlineForm(ONLINE | {"source_as_seen_by_target": "[fd00::7]:6543"})
    assert form.is_valid(), form.errors
    assert form.values().source_as_seen_by_target == "[fd00::7]:6543"


def test_a_change_in_another_tab_is_not_undone_unseen(browser: Client, draft: Migration) -> None:
    page = browser.get(step_url(draft, "options")).content.decode()
    seen = page.split('name="seen" value="')[1].split('"')[0]
    Migration.objects.update(fall_back=True)
    response = browser.post(step_url(draft, "options"), OPTIONS | ONLINE | {"seen": seen})
    assert response.status_code == 200 and "changed elsewhere" in page_text(response)


def test_the_review_says_what_is_made_on_the_source(draft: Migration) -> None:
    draft.fall_back, draft.without_identity, draft.protect_source = True, "full", True
    words = " ".join(source_effects(draft))
    assert "a publication of its tables, and a replication slot" in words
    assert "REPLICA IDENTITY FULL" in words and "_migration_portal" in words and "applied here" in words
    sentences = " ".join(f"{each.title}: {each.sentence}" for each in decisions(draft))
    assert "Way back: Changes on the target travel back" in sentences
    assert "undone after 10 min; sequences skip 1,000 values" in sentences
    assert "more than 10.0 GiB, or when the room for the log lasts less than 4 h" in sentences
    assert "At 20.0 GiB, or when its disk is nearly full, the slot is given up" in sentences
    assert "after 7 days, after 3 days of waiting for the cutover. Nothing is ended" in sentences
    draft.mode = MigrationMode.OFFLINE
    assert source_effects(draft) == []
    assert "Way back" not in {each.title for each in decisions(draft)}
