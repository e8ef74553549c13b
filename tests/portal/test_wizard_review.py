"""Options, the review in words, and the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import Migration, MigrationEndpoint, MigrationEvent, State
from portal.wizard.estimate import range_in_words
from portal.wizard.review import _effect, decisions, effects, tls_warning
from tests.fixtures.servers import SourceAndTarget
from tests.portal.wizard_steps import (
    OPTIONS,
    choose,
    connection_fields,
    draft_with_servers,
    page_text,
    seen_mark,
    start_draft,
    step_url,
)


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


@pytest.fixture
def draft(browser: Client, source_and_target: SourceAndTarget) -> Iterator[Migration]:
    """A draft that is complete up to its options; its database exists on the target."""
    source, target = source_and_target.source, source_and_target.target
    with source.fresh_database("shop"), target.fresh_database("shop"):
        source.psql("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id", database="shop")
        migration = draft_with_servers(browser, *source_and_target.endpoints)
        response = choose(browser, migration, {"shop": "shop"}, consent_shop="shop")
        assert response.status_code == 302, page_text(response)
        yield migration


def start(browser: Client, migration: Migration) -> str:
    """Press the start button of the review as it is shown; return where that leads, or the words of the page."""
    url = step_url(migration, "review")
    response = browser.post(url, {"action": "start", "seen": seen_mark(browser.get(url))})
    return response.headers.get("Location") or page_text(response)


def test_parallelism_is_suggested_with_its_reason(browser: Client, draft: Migration) -> None:
    text = page_text(browser.get(step_url(draft, "options")))
    assert "free connections on the source" in text


def test_options_are_kept(browser: Client) -> None:
    draft = start_draft(browser)
    fields = OPTIONS | {"roles": "skip", "split_mib": "256", "target_free_gib": "12.5", "forget_passwords": "on"}
    assert browser.post(step_url(draft, "options"), fields)["Location"] == step_url(draft, "review")
    draft.refresh_from_db()
    assert (draft.jobs, draft.roles, draft.split_bytes) == (3, "skip", 256 * 1024**2)
    assert (draft.target_free_bytes, draft.forget_passwords) == (int(12.5 * 1024**3), True)
    page = browser.get(step_url(draft, "options")).content.decode()
    assert 'value="12.5"' in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jobs": "0"}, "At least 1."),
        ({"jobs": "1000"}, "At most 64."),
        ({"start": "later"}, "Choose the time to start"),
        ({"start": "later", "scheduled_at": "2020-01-01T10:00"}, "This time is over."),
        ({"start": "later", "scheduled_at": "tomorrow"}, "Type date and time"),
    ],
)
def test_a_bad_option_is_explained(browser: Client, changes: dict[str, str], words: str) -> None:
    draft = start_draft(browser)
    response = browser.post(step_url(draft, "options"), OPTIONS | changes)
    assert response.status_code == 200
    assert words in page_text(response)


def test_a_start_time_is_in_the_viewers_zone(browser: Client) -> None:
    draft = start_draft(browser)
    browser.cookies["timezone"] = "Asia/Tokyo"
    browser.post(step_url(draft, "options"), OPTIONS | {"start": "later", "scheduled_at": "2099-01-01T09:30"})
    draft.refresh_from_db()
    assert draft.scheduled_at is not None
    assert draft.scheduled_at.isoformat() == "2099-01-01T00:30:00+00:00"
    page = browser.get(step_url(draft, "options")).content.decode()
    assert 'value="2099-01-01T09:30"' in page
    assert "Time zone: Asia/Tokyo" in page


def test_the_review_says_everything_in_words(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    text = page_text(browser.get(step_url(draft, "review")))
    assert "Validate, then migrate; a failed check stops it before anything is written." in text
    assert "PostgreSQL 17" in text
    assert "shop is dropped with" in text
    assert "3 tables or parts at once" in text
    assert "size on the source&#x27;s disk with indexes" in text
    assert "Nothing was measured between these two servers" in text
    assert "Start validation and migration of 1 database" in text


def test_what_happens_at_warnings_is_chosen_and_told(browser: Client, draft: Migration) -> None:
    sentence = {decision.title: decision.sentence for decision in decisions(draft)}["At warnings"]
    assert sentence == "Go on; they are listed as findings."
    browser.post(step_url(draft, "options"), OPTIONS | {"at_warnings": "wait"})
    draft.refresh_from_db()
    assert draft.at_warnings == "wait"
    assert "At warnings Wait until each is accepted." in page_text(browser.get(step_url(draft, "review")))
    draft.option = "Migrate"
    assert "At warnings" not in {decision.title for decision in decisions(draft)}


def test_the_review_warns_of_a_target_that_may_be_reached_in_clear(draft: Migration) -> None:
    draft.refresh_from_db()
    draft.target.host = "db.example"
    sentence = next(decision.sentence for decision in decisions(draft) if decision.title == "Target")
    assert "It may go on without encryption" in sentence


def test_the_start_queues_the_migration(browser: Client, draft: Migration, dana: User) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    assert start(browser, draft) == reverse("migration", args=[draft.pk])
    draft.refresh_from_db()
    assert draft.state == State.QUEUED
    event = MigrationEvent.objects.get(migration=draft, to_state=State.QUEUED)
    assert (event.actor, event.address) == (dana, "127.0.0.1")


def test_starting_twice_starts_once(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    mark = seen_mark(browser.get(step_url(draft, "review")))
    for _ in range(2):
        response = browser.post(step_url(draft, "review"), {"action": "start", "seen": mark})
        assert response["Location"] == reverse("migration", args=[draft.pk])
    assert MigrationEvent.objects.filter(migration=draft, to_state=State.QUEUED).count() == 1


def test_what_was_not_read_is_not_started(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    mark = seen_mark(browser.get(step_url(draft, "review")))
    browser.post(step_url(draft, "options"), OPTIONS | {"roles": "skip"})
    response = browser.post(step_url(draft, "review"), {"action": "start", "seen": mark})
    assert "Read it again before you start" in page_text(response)
    draft.refresh_from_db()
    assert draft.state == State.DRAFT


def test_online_is_started(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    Migration.objects.update(mode="Online")
    text = page_text(browser.get(step_url(draft, "review")))
    assert "What happens on the source" in text and "a replication slot that keeps every change" in text
    start(browser, draft)
    draft.refresh_from_db()
    assert draft.state == State.QUEUED


def test_validation_for_online_is_started(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    Migration.objects.update(mode="Online", option="Validate")
    assert "What happens on the source" not in page_text(browser.get(step_url(draft, "review")))
    start(browser, draft)
    draft.refresh_from_db()
    assert draft.state == State.QUEUED


def test_a_start_time_that_passed_is_not_a_start(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    Migration.objects.update(scheduled_at=timezone.now() - timedelta(minutes=1))
    assert "The chosen start time is over." in start(browser, draft)


def test_a_later_start_is_scheduled(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS | {"start": "later", "scheduled_at": "2099-01-01T09:30"})
    assert "Schedule validation and migration of 1 database" in page_text(browser.get(step_url(draft, "review")))
    start(browser, draft)
    draft.refresh_from_db()
    assert (draft.state, draft.substate) == (State.QUEUED, "WaitingForDataMigrationWindow")


def test_the_review_waits_for_the_steps_before_it(browser: Client) -> None:
    migration = start_draft(browser)
    response = browser.get(step_url(migration, "review"))
    assert response["Location"] == step_url(migration, "source")


def test_validation_alone_says_that_nothing_is_written(browser: Client, draft: Migration) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    Migration.objects.update(option="Validate")
    text = page_text(browser.get(step_url(draft, "review")))
    assert "Start validation of 1 database" in text
    assert "Nothing: validation only reads." in text


def test_another_target_needs_consent_again(
    browser: Client, draft: Migration, source_and_target: SourceAndTarget
) -> None:
    browser.post(step_url(draft, "options"), OPTIONS)
    mark = seen_mark(browser.get(step_url(draft, "review")))
    elsewhere = connection_fields(source_and_target.endpoints[1], host="localhost")
    browser.post(step_url(draft, "target"), elsewhere)
    assert not draft.databases.get().overwrite
    response = browser.post(step_url(draft, "review"), {"action": "start", "seen": mark})
    assert response["Location"] == step_url(draft, "databases")
    assert 'name="consent-0" value=""' in browser.get(step_url(draft, "databases")).content.decode()
    assert browser.get(step_url(draft, "review"))["Location"] == step_url(draft, "databases")


def test_the_review_never_says_created_without_proof(draft: Migration) -> None:
    draft.refresh_from_db()
    draft.target.facts = {}
    draft.databases.update(overwrite=True)
    (agreed,) = effects(draft)
    assert (agreed.overwrites, "is dropped if it exists by then" in agreed.words) == (True, True)
    draft.databases.update(overwrite=False)
    (unknown,) = effects(Migration.objects.get(pk=draft.pk))
    assert "is dropped with" in unknown.words
    row = draft.databases.get()
    assert "Whether it exists already is not known" in _effect(row, on_target=None).words
    assert _effect(row, on_target={}).words.startswith("is created")


@pytest.mark.parametrize(
    ("host", "sslmode", "words"),
    [
        ("db.example", "prefer", "It may go on without encryption"),
        ("db.example", "allow", "It may go on without encryption"),
        ("db.example", "disable", "cross the network in clear"),
        ("db.example", "require", "nothing proves which server answers"),
        ("db.example", "verify-full", ""),
        ("127.0.0.1", "prefer", ""),
    ],
)
def test_what_a_tls_mode_leaves_open_is_said(host: str, sslmode: str, words: str) -> None:
    warning = tls_warning(MigrationEndpoint(host=host, sslmode=sslmode))
    assert words in warning
    assert bool(warning) == bool(words)


@pytest.mark.parametrize(
    ("fast", "slow", "words"),
    [
        (12, 31, "about 15 s to 35 s"),
        (2000, 3000, "about 34 min to 50 min"),
        (7000, 90000, "about 2 h to 1 d 1 h"),
        (55, 55, "about 55 s"),
    ],
)
def test_an_estimate_is_as_rough_as_it_is_known(fast: float, slow: float, words: str) -> None:
    assert range_in_words(fast, slow) == words
