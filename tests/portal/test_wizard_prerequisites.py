"""What a server needs is on the page before anybody connects, and after a test what of it is done."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from migrations_app.models import Migration
from tests.acceptance.browser import Visitor
from tests.fixtures.servers import RunningServer, ServerPool
from tests.portal.wizard_steps import SETUP, connection_fields, page_text, start_draft, step_url

HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


@pytest.fixture
def server(servers: ServerPool) -> RunningServer:
    """A PostgreSQL 17 that demands a password."""
    return servers.get(17, name="source")


def test_the_source_step_says_what_the_chosen_kind_needs(browser: Client) -> None:
    draft = start_draft(browser, source_type="AWS_RDS", mode="Online")
    response = browser.get(step_url(draft, "source"))
    text = page_text(response)
    assert "What an online source needs: Amazon RDS for PostgreSQL" in text
    assert "Set rds.logical_replication = 1" in text
    assert "GRANT rds_replication TO &quot;migration_user&quot;;" in text
    assert "things to see to" in text
    page = response.content.decode()
    assert page.index('id="prerequisites"') < page.index('id="connection-form"')
    assert re.search(r'data-copy="GRANT rds_replication TO', page)


def test_an_offline_migration_is_not_asked_for_more(browser: Client) -> None:
    text = page_text(browser.get(step_url(start_draft(browser, source_type="AWS_RDS"), "source")))
    assert "What an offline source needs" in text
    assert "logical_replication" not in text


def test_a_test_says_what_is_done(browser: Client, server: RunningServer) -> None:
    draft = start_draft(browser, mode="Online")
    response = browser.post(
        step_url(draft, "source"), connection_fields(server.endpoint(), action="test"), headers=HTMX
    )
    page, text = response.content.decode(), page_text(response)
    assert '<section id="prerequisites"' in page
    assert 'hx-swap-oob="true"' in page
    assert "The portal reaches the server done: The portal logged in at 127.0.0.1" in text
    assert "A user who may replicate done: postgres is a superuser." in text
    assert "An encrypted connection done: The session is not encrypted, but does not leave this machine." in text
    assert "A primary key on each table cannot be seen from here" in text
    assert "TO &quot;postgres&quot;" in page


def test_a_failed_test_claims_nothing(browser: Client, server: RunningServer) -> None:
    draft = start_draft(browser)
    fields = connection_fields(server.endpoint(), password="wrong", action="test")
    text = page_text(browser.post(step_url(draft, "source"), fields, headers=HTMX))
    assert "things to see to" in text
    assert "done:" not in text


def test_the_target_step_serves_both_until_it_is_known(browser: Client, server: RunningServer) -> None:
    draft = start_draft(browser)
    before = page_text(browser.get(step_url(draft, "target")))
    assert "What an offline target needs: Azure Database for PostgreSQL flexible server" in before
    assert "What an offline target needs: Another PostgreSQL" in before
    assert "azure.extensions" in before
    browser.post(step_url(draft, "target"), connection_fields(server.endpoint(), action="test"), headers=HTMX)
    after = page_text(browser.get(step_url(draft, "target")))
    assert "What an offline target needs: Self-hosted PostgreSQL" in after
    assert "azure.extensions" not in after
    assert "A user who may create databases done" in after


@pytest.mark.parametrize(
    ("source_type", "advice"),
    [("Neon", "Use the same name without -pooler."), ("Aiven", "avn project ca-get --target-filepath ca.pem")],
)
def test_the_smaller_services_can_be_chosen_and_say_what_they_need(
    browser: Client, source_type: str, advice: str
) -> None:
    assert f'value="{source_type}"' in browser.get(reverse("migration-new")).content.decode()
    draft = start_draft(browser, source_type=source_type, mode="Online")
    text = page_text(browser.get(step_url(draft, "source")))
    assert f"What an online source needs: {source_type}" in text
    assert advice in text


@pytest.mark.parametrize("source_type", ["Heroku_PostgreSQL", "Digital_Ocean_PostgreSQL"])
def test_a_service_that_cannot_go_online_says_so_at_setup(browser: Client, source_type: str) -> None:
    page = browser.get(reverse("migration-new")).content.decode()
    assert re.search(rf'value="{source_type}" data-offline-only="[^"]+cannot be migrated online', page)
    assert 'value="AWS_RDS" data-offline-only' not in page
    response = browser.post(reverse("migration-new"), SETUP | {"source_type": source_type, "mode": "Online"})
    assert response.status_code == 200
    assert "cannot be migrated online" in page_text(response)
    assert not Migration.objects.exists()
    assert start_draft(browser, source_type=source_type).mode == "Offline"


def test_an_older_draft_says_so_on_the_source_step(browser: Client) -> None:
    draft = start_draft(browser, source_type="Heroku_PostgreSQL")
    Migration.objects.update(mode="Online")
    text = page_text(browser.get(step_url(draft, "source")))
    assert "Heroku Postgres cannot be migrated online." in text
    assert "The mode is chosen under Setup." in text


def test_another_kind_of_server_is_a_warning(browser: Client, server: RunningServer) -> None:
    fields = connection_fields(server.endpoint(), action="test")
    chosen = start_draft(browser, source_type="AWS_RDS")
    text = page_text(browser.post(step_url(chosen, "source"), fields, headers=HTMX))
    assert "Amazon RDS for PostgreSQL was chosen, but the server shows none of its traces" in text
    for number, kind in enumerate(("OnPremises", "AzureVM", "Heroku_PostgreSQL")):
        draft = start_draft(browser, name=f"other-{number}", source_type=kind)
        assert "was chosen, but" not in page_text(browser.post(step_url(draft, "source"), fields, headers=HTMX))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_in_a_browser(visitor: Visitor, server: RunningServer) -> None:
    """Online is refused as soon as it is chosen, and a test brings the answers without a new page."""
    page = visitor.page
    page.goto(visitor.base + reverse("migration-new"))
    note = page.locator("#offline-only")
    page.get_by_text("Other kinds of servers").click()
    page.locator("[value=Heroku_PostgreSQL]").check(force=True)
    expect(note).to_be_hidden()
    page.locator("[value=Online]").check(force=True)
    expect(note).to_contain_text("Heroku Postgres cannot be migrated online.")
    page.locator("[value=AzureVM]").check(force=True)
    expect(note).to_be_hidden()
    page.locator("[name=name]").fill("shop-move")
    page.get_by_role("button", name="Next: source server").click()
    for name in ("host", "port", "username", "password"):
        page.locator(f"[name={name}]").fill(str(connection_fields(server.endpoint())[name]))
    page.get_by_role("button", name="Test connection").click()
    prerequisites = page.locator("#prerequisites")
    expect(prerequisites).to_contain_text("done: The portal logged in", timeout=15_000)
    prerequisites.locator(".fold > summary").click()
    prerequisites.get_by_text("Logical decoding is on").click()
    expect(prerequisites.get_by_text("ALTER SYSTEM SET wal_level = 'logical'")).to_be_visible()
    visitor.picture("prerequisites")
    assert not visitor.complaints
