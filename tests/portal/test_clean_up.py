"""The page of a clean-up by hand, and who still comes to the old source."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import CleanUp, CleanUpItem, Migration, OldSourceVisitor, OnlinePhase, State
from tests.portal.page_reading import page_of, words
from tests.portal.sample_online import online

pytestmark = pytest.mark.django_db
LEFT = "replication slot"


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    return client_of(dana)


def ended(**fields: object) -> Migration:
    migration = online(**fields)
    migration.databases.update(state=State.SUCCEEDED, phase=OnlinePhase.CUT_OVER, started_at=timezone.now())
    Migration.objects.filter(pk=migration.pk).update(state=State.SUCCEEDED, ended_at=timezone.now())
    migration.refresh_from_db()
    return migration


def clean_up_page(client: Client, migration: Migration) -> str:
    return client.get(reverse("migration-clean-up", args=[migration.pk])).content.decode()


def item(asked: CleanUp, kind: str, **fields: object) -> None:
    CleanUpItem.objects.create(
        clean_up=asked,
        database=asked.migration.databases.get(),
        side=fields.pop("side", "source"),
        server="dba@10.0.0.4:5432",
        kind=kind,
        **fields,
    )


def test_it_is_asked_for_and_told(browser: Client, dana: User) -> None:
    migration = ended()
    assert "Clean up both servers again…" in words(page_of(browser, migration))
    text = words(clean_up_page(browser, migration))
    assert "Nobody has cleaned up by hand yet" in text and "An old source that a cutover closed stays closed." in text
    text = words(browser.post(reverse("migration-clean-up", args=[migration.pk]), follow=True).content.decode())
    asked = CleanUp.objects.get()
    assert asked.asked_by == dana and "Cleaning up both servers. Asked" in text
    item(asked, LEFT, left=["pgmig_1"], statements="SELECT pg_drop_replication_slot('pgmig_1');", server_message="no")
    item(asked, "publication", removed=["pgmig_1"])
    item(asked, "schema", side="target", kept=["_migration_portal"])
    CleanUp.objects.update(ended_at=timezone.now(), nothing_is_left=False, message="Still there: a slot.")
    text = words(clean_up_page(browser, migration))
    assert "Still there: a slot." in text and "SELECT pg_drop_replication_slot" in text
    assert "stays on purpose" in text and "hx-get" not in clean_up_page(browser, migration)


def test_a_migration_that_runs_or_a_viewer_is_told_so(
    browser: Client, client_of: Callable[[User], Client], lee: User
) -> None:
    running = online()
    assert "has not ended" in words(clean_up_page(browser, running))
    assert "Clean up both" not in page_of(browser, running)
    viewer, migration = client_of(lee), ended(name="over")
    assert "People in the group Operators can clean up." in words(clean_up_page(viewer, migration))
    assert viewer.post(reverse("migration-clean-up", args=[migration.pk])).status_code == 403


def test_who_still_comes_to_the_old_source_is_listed(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    assert "Nobody has been seen there since the cutover." in words(page_of(browser, migration))
    OldSourceVisitor.objects.create(
        database=migration.databases.get(),
        role="shop_app",
        address="10.1.7.21",
        application="billing",
        sessions=3,
        is_writing=True,
        first_seen_at=timezone.now(),
        last_seen_at=timezone.now(),
    )
    for html in (page_of(browser, migration), browser.get(reverse("migration-cutover", args=[migration.pk]))):
        text = words(html if isinstance(html, str) else html.content.decode())
        assert "1 visitor on" in text and "shop_app wrote 10.1.7.21 billing shop 3" in text
        assert "permission denied for database" in text
    assert "Who still comes" not in page_of(browser, online("before"))


def test_a_finish_leaves_the_old_source_closed_unless_told(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    url = reverse("migration-ask", args=[migration.pk, "finish"])
    page = words(browser.get(reverse("migration-cutover", args=[migration.pk])).content.decode())
    assert "The old source stays closed" in page and "Open the old source to writers again" in page
    browser.post(url, {"confirm": migration.name})
    request = migration.databases.get().requests.get()
    assert request.reopen_source is False
    request.delete()
    browser.post(url, {"confirm": migration.name, "reopen_source": "on"})
    assert migration.databases.get().requests.get().reopen_source is True
