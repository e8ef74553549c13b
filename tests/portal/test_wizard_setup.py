"""The first step: a name, where the databases are, what shall happen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from migrations_app.models import Migration, MigrationEndpoint, MigrationEvent, State
from tests.portal.wizard_steps import SETUP, page_text, seen_mark, start_draft, step_url


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


def test_nothing_is_created_by_looking(browser: Client) -> None:
    response = browser.get(reverse("migration-new"))
    assert response.status_code == 200
    assert not Migration.objects.exists()


def test_the_first_save_makes_a_draft_with_its_event(browser: Client, dana: User) -> None:
    migration = start_draft(browser)
    assert (migration.state, migration.created_by) == (State.DRAFT, dana)
    event = MigrationEvent.objects.get(migration=migration)
    assert (event.actor, event.address) == (dana, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Type a name."),
        ("-shop", "start with a letter or digit"),
        ("shop move", "Use letters, digits and hyphens"),
        ("x" * 64, "has 64 characters; at most 63"),
        ("shöp", "Found: &#x27;ö&#x27;"),
    ],
)
def test_a_bad_name_is_explained_and_kept(browser: Client, name: str, words: str) -> None:
    response = browser.post(reverse("migration-new"), SETUP | {"name": name, "mode": "Online"})
    assert response.status_code == 200
    assert words in response.content.decode()
    assert f'value="{name}"' in response.content.decode()
    assert 'value="Online" checked' in response.content.decode()
    assert not Migration.objects.exists()


def test_a_name_is_checked_while_it_is_typed(browser: Client) -> None:
    start_draft(browser, name="taken")
    check = reverse("migration-name-available")
    assert "free is available" in page_text(browser.get(check, {"name": "free"}))
    assert "Another migration is named TAKEN" in page_text(browser.get(check, {"name": "TAKEN"}))
    own = Migration.objects.get(name="taken")
    assert "taken is available" in page_text(browser.get(check, {"name": "taken", "own": str(own.pk)}))


def test_an_old_form_does_not_undo_a_newer_value(browser: Client) -> None:
    migration = start_draft(browser)
    old = seen_mark(browser.get(step_url(migration, "setup")))
    browser.post(step_url(migration, "setup"), SETUP | {"name": "renamed", "seen": old})
    response = browser.post(step_url(migration, "setup"), SETUP | {"name": "other", "seen": old})
    assert response.status_code == 200
    assert "changed elsewhere" in page_text(response)
    assert Migration.objects.get().name == "renamed"
    again = browser.post(step_url(migration, "setup"), SETUP | {"name": "other", "seen": seen_mark(response)})
    assert again.status_code == 302
    assert Migration.objects.get().name == "other"


def test_a_draft_is_left_and_found_again(browser: Client) -> None:
    migration = start_draft(browser)
    response = browser.get(reverse("wizard-resume", args=[migration.pk]))
    assert response["Location"] == step_url(migration, "source")


def test_a_draft_is_discarded_with_its_endpoints(browser: Client) -> None:
    migration = start_draft(browser)
    page = browser.get(reverse("wizard-discard", args=[migration.pk]))
    assert "Discard the draft shop-move?" in page_text(page)
    browser.post(reverse("wizard-discard", args=[migration.pk]))
    assert not Migration.objects.exists()
    assert not MigrationEndpoint.objects.exists()


def test_a_started_migration_cannot_be_changed(browser: Client) -> None:
    migration = start_draft(browser)
    Migration.objects.update(state=State.QUEUED)
    for url in (step_url(migration, "setup"), reverse("wizard-discard", args=[migration.pk])):
        response = browser.post(url, SETUP | {"name": "other"})
        assert response["Location"] == reverse("migration", args=[migration.pk])
    assert Migration.objects.get().name == "shop-move"


def test_an_unknown_step_is_not_found(browser: Client) -> None:
    assert browser.get(step_url(start_draft(browser), "nonsense")).status_code == 404


def test_a_viewer_may_not_create(client_of: Callable[[User], Client], lee: User) -> None:
    response = client_of(lee).get(reverse("migration-new"))
    assert response.status_code == 403
    assert "Operators" in page_text(response)
