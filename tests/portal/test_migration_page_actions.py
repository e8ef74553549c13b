"""What a person does on a migration's page: cancel, resume; by operators only, recorded with who and from where."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from migrations_app.models import Migration, MigrationEvent, State
from tests.portal import sample_rows as rows
from tests.portal.page_reading import page_of, words

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    """Dana, an operator."""
    return client_of(dana)


def test_canceling_names_its_consequences_and_needs_a_second_click(browser: Client, dana: User) -> None:
    migration = rows.running(databases=2)
    page = page_of(browser, migration)
    assert f'href="{reverse("migration-cancel", args=[migration.pk])}"' in page
    url = reverse("migration-cancel", args=[migration.pk])
    text = words(browser.get(url).content.decode())
    assert "14.1 GiB of 18.6 GiB have arrived" in text
    assert "a canceled migration cannot be resumed" in text
    assert "Cancel migration of 2 databases" in text
    assert "shop_1 : incomplete" in text
    migration.refresh_from_db()
    assert migration.cancel_requested_at is None
    for typed in ({}, {"confirm": "another"}):
        refused = words(browser.post(url, typed).content.decode())
        assert f"Type {migration.name} to cancel it." in refused
    migration.refresh_from_db()
    assert migration.cancel_requested_at is None
    response = browser.post(url, {"confirm": migration.name}, REMOTE_ADDR="10.9.8.7")
    assert response.status_code == 302
    migration.refresh_from_db()
    assert migration.cancel_requested_at is not None
    event = MigrationEvent.objects.filter(migration=migration).latest("id")
    assert (event.message, event.actor, event.address) == ("Cancel requested.", dana, "10.9.8.7")
    assert "Canceling since" in words(page_of(browser, migration))
    assert "Cancel migration…" not in page_of(browser, migration)


def test_before_rows_have_arrived_no_name_is_typed(browser: Client) -> None:
    migration = rows.running()
    migration.databases.update(rows_done=0, bytes_done=0)
    url = reverse("migration-cancel", args=[migration.pk])
    assert "to cancel it" not in words(browser.get(url).content.decode())
    assert browser.post(url).status_code == 302
    migration.refresh_from_db()
    assert migration.cancel_requested_at is not None


def test_a_draft_is_discarded_only_after_a_question(browser: Client) -> None:
    draft = rows.migration("draft")
    url = reverse("wizard-discard", args=[draft.pk])
    page = page_of(browser, draft)
    assert f'href="{url}"' in page
    assert f'action="{url}"' not in page
    assert "Discard the draft draft?" in words(browser.get(url).content.decode())
    assert Migration.objects.filter(pk=draft.pk).exists()


def test_consent_is_told_without_saying_how_it_was_given(browser: Client) -> None:
    migration = rows.running()
    migration.databases.update(overwrite=True)
    text = words(browser.get(reverse("migration", args=[migration.pk]), {"tab": "settings"}).content.decode())
    assert "Overwrite it, as agreed" in text
    assert "typing" not in text


def test_what_has_ended_cannot_be_canceled(browser: Client) -> None:
    migration = rows.succeeded()
    url = reverse("migration-cancel", args=[migration.pk])
    assert "There is nothing to cancel" in browser.get(url).content.decode()
    text = words(browser.post(url, follow=True).content.decode())
    assert "cannot be canceled" in text
    migration.refresh_from_db()
    assert migration.state == State.SUCCEEDED


def test_resuming_records_who_asked(browser: Client, dana: User) -> None:
    migration = rows.failed()
    response = browser.post(reverse("migration-resume", args=[migration.pk]), REMOTE_ADDR="10.9.8.7")
    assert response.status_code == 302
    migration.refresh_from_db()
    assert migration.state == State.QUEUED
    event = MigrationEvent.objects.filter(migration=migration).latest("id")
    assert (event.actor, event.address, event.to_state) == (dana, "10.9.8.7", State.QUEUED)
    again = browser.post(reverse("migration-resume", args=[migration.pk]), follow=True)
    assert "cannot be resumed" in words(again.content.decode())


def test_erased_passwords_are_asked_for_and_never_come_back(browser: Client) -> None:
    migration = rows.failed()
    Migration.objects.filter(pk=migration.pk).update(forget_passwords=True)
    type(migration.source).objects.filter(pk=migration.source.pk).update(sealed_password="")
    url = reverse("migration-resume", args=[migration.pk])
    assert f'<a class="btn btn-primary" href="{url}">' in page_of(browser, migration)
    html = browser.post(url, {"source_password": "", "target_password": "changed-target-pw"}).content.decode()
    assert "The source password was erased. Type it to go on." in words(html)
    assert "changed-target-pw" not in html
    migration.refresh_from_db()
    assert migration.state == State.FAILED
    assert browser.post(url, {"source_password": "typed-source-pw"}).status_code == 302
    migration.refresh_from_db()
    assert migration.state == State.QUEUED


def test_viewers_look_and_operators_act(lee: User, client_of: ClientOf) -> None:
    viewer = client_of(lee)
    running, failed, draft = rows.running(), rows.failed(), rows.migration("draft")
    for migration in (running, failed, draft):
        html = page_of(viewer, migration)
        for word in ("Cancel migration", "Resume", "Continue set-up", "Discard"):
            assert f"{word}</" not in html
            assert f">{word}" not in html
    for name in ("migration-cancel", "migration-resume"):
        for migration in (running, failed):
            assert viewer.post(reverse(name, args=[migration.pk])).status_code == 403
            assert viewer.get(reverse(name, args=[migration.pk])).status_code == 403
    running.refresh_from_db()
    failed.refresh_from_db()
    assert (running.cancel_requested_at, failed.state) == (None, State.FAILED)


def test_actions_need_the_form_of_the_page(dana: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(dana, backend="django.contrib.auth.backends.ModelBackend")
    migration = rows.failed()
    for name in ("migration-cancel", "migration-resume"):
        assert strict.post(reverse(name, args=[migration.pk])).status_code == 403


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    migration = rows.running()
    for name in ("migration", "migration-live", "migration-cancel", "migration-resume"):
        assert client.get(reverse(name, args=[migration.pk])).status_code == 302
    assert client.get(reverse("migration-fixes", args=[migration.pk, "source"])).status_code == 302
