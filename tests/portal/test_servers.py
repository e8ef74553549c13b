"""Saved connections: list, add, change, test, delete."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from migrations_app.models import MigrationEndpoint, SavedConnection
from migrations_app.selectors.server_use import ServerUse, uses_of
from migrations_app.services.credentials import open_password
from tests.fixtures.servers import RunningServer, ServerPool
from tests.portal import sample_rows as rows
from tests.portal.wizard_steps import connection_fields, page_text, start_draft, step_url


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


@pytest.fixture
def server(servers: ServerPool) -> RunningServer:
    """A PostgreSQL 17 that demands a password."""
    return servers.get(17, name="source")


@pytest.fixture
def saved(browser: Client, server: RunningServer) -> SavedConnection:
    """A server that Dana saved."""
    browser.post(reverse("server-add"), shop_fields(server, action="save"))
    return SavedConnection.objects.get()


def shop_fields(server: RunningServer, **changes: str) -> dict[str, str]:
    """Return what is typed to save ``server`` as Shop."""
    return connection_fields(server.endpoint(), name="Shop", provider="AWS_RDS", **changes)


def test_an_empty_list_says_what_to_do(browser: Client) -> None:
    assert "No server is saved yet" in page_text(browser.get(reverse("servers")))


def test_a_server_is_saved_with_a_line_of_history(browser: Client, saved: SavedConnection, dana: User) -> None:
    text = page_text(browser.get(reverse("servers")))
    assert "Shop" in text
    assert "Amazon RDS for PostgreSQL" in text
    assert "Not tested" in text
    assert LogEntry.objects.get(object_id=str(saved.pk)).user == dana


def test_the_password_is_never_shown(browser: Client, saved: SavedConnection, server: RunningServer) -> None:
    for url in (reverse("servers"), reverse("server", args=[saved.pk])):
        assert server.password not in browser.get(url).content.decode()
    assert server.password not in str(LogEntry.objects.values_list())


def test_a_server_is_tested_from_the_list(browser: Client, saved: SavedConnection) -> None:
    text = page_text(browser.post(reverse("server-test", args=[saved.pk])))
    assert "PostgreSQL 17" in text
    saved.refresh_from_db()
    assert saved.tested_at is not None


def test_a_failed_test_keeps_what_was_typed(browser: Client, saved: SavedConnection, server: RunningServer) -> None:
    fields = shop_fields(server, action="test", password="not-the-password")
    response = browser.post(reverse("server", args=[saved.pk]), fields)
    assert "refused the login" in page_text(response)
    assert f'value="{server.port}"' in response.content.decode()
    assert "not-the-password" not in response.content.decode()


def test_a_change_makes_the_test_void_and_keeps_the_password(
    browser: Client, saved: SavedConnection, server: RunningServer
) -> None:
    browser.post(reverse("server-test", args=[saved.pk]))
    fields = shop_fields(server, action="save", password="", sslmode="disable")
    assert browser.post(reverse("server", args=[saved.pk]), fields).status_code == 302
    saved.refresh_from_db()
    assert saved.tested_at is None
    assert open_password(saved) == server.password


def test_a_name_is_used_once(browser: Client, saved: SavedConnection, server: RunningServer) -> None:
    response = browser.post(reverse("server-add"), shop_fields(server, action="save") | {"name": "SHOP"})
    assert "Another saved server is named SHOP" in page_text(response)


def test_the_list_names_the_migrations_made_from_it(browser: Client, saved: SavedConnection) -> None:
    draft = start_draft(browser)
    browser.post(step_url(draft, "source"), {"action": "use-saved", "saved": str(saved.pk)})
    assert "shop-move" in page_text(browser.get(reverse("servers")))


def test_a_server_of_many_migrations_names_the_newest_and_costs_no_more(
    browser: Client, saved: SavedConnection
) -> None:
    browser.get(reverse("servers"))
    with CaptureQueriesContext(connection) as few:
        browser.get(reverse("servers"))
    for number in range(8):
        migration = rows.migration(f"move-{number}")
        side = migration.target if number % 2 else migration.source
        MigrationEndpoint.objects.filter(pk=side.pk).update(saved_connection=saved)
    other = SavedConnection.objects.create(name="Other", host="db")
    with CaptureQueriesContext(connection) as many:
        text = page_text(browser.get(reverse("servers")))
    assert len(many) == len(few)
    assert not any("step_times" in query["sql"] for query in many)
    assert "move-7, move-6, move-5, move-4, move-3 and 3 more" in text
    assert uses_of([saved, other])[other.pk] == ServerUse()


def test_deleting_needs_the_name_typed(client_of: Callable[[User], Client], saved: SavedConnection, ada: User) -> None:
    admin, url = client_of(ada), reverse("server-delete", args=[saved.pk])
    assert "Delete Shop?" in page_text(admin.get(url))
    assert "Type Shop to delete it." in page_text(admin.post(url, {"confirm": "shop"}))
    assert SavedConnection.objects.exists()
    assert admin.post(url, {"confirm": "Shop"})["Location"] == reverse("servers")
    assert not SavedConnection.objects.exists()


def test_operators_do_not_delete_and_viewers_only_look(
    browser: Client, client_of: Callable[[User], Client], saved: SavedConnection, lee: User
) -> None:
    assert browser.post(reverse("server-delete", args=[saved.pk]), {"confirm": "Shop"}).status_code == 403
    viewer = client_of(lee)
    assert viewer.get(reverse("servers")).status_code == 200
    assert viewer.get(reverse("server", args=[saved.pk])).status_code == 403
    assert viewer.post(reverse("server-test", args=[saved.pk])).status_code == 403
