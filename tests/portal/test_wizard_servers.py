"""The source and target steps: typing how to reach a server, and proving it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationEvent, SavedConnection
from migrations_app.services.credentials import open_password
from tests.fixtures.servers import RunningServer, ServerPool
from tests.portal.wizard_steps import connection_fields, page_text, seen_mark, start_draft, step_url


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


@pytest.fixture
def server(servers: ServerPool) -> RunningServer:
    """A PostgreSQL 17 that demands a password."""
    return servers.get(17, name="source")


@pytest.fixture
def draft(browser: Client) -> Migration:
    """A draft after its first step."""
    return start_draft(browser)


HTMX = {"HX-Request": "true"}


def test_going_on_tests_the_connection_first(browser: Client, draft: Migration, server: RunningServer) -> None:
    response = browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    assert response["Location"] == step_url(draft, "target")
    draft.source.refresh_from_db()
    assert draft.source.tested_at is not None
    assert draft.source.facts["major"] == 17
    assert open_password(draft.source) == server.password


def test_a_test_shows_a_strip_of_facts(browser: Client, draft: Migration, server: RunningServer) -> None:
    fields = connection_fields(server.endpoint(), action="test")
    text = page_text(browser.post(step_url(draft, "source"), fields, headers=HTMX))
    assert "PostgreSQL 17" in text
    assert "user “postgres”: superuser" in text
    assert "not encrypted" in text


def test_a_test_without_javascript_shows_the_page(browser: Client, draft: Migration, server: RunningServer) -> None:
    response = browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), action="test"))
    assert "Source server" in page_text(response)
    assert "PostgreSQL 17" in page_text(response)


def test_a_wrong_password_stays_on_the_step_with_a_remedy(
    browser: Client, draft: Migration, server: RunningServer
) -> None:
    fields = connection_fields(server.endpoint(), password="a-wrong-secret")
    response = browser.post(step_url(draft, "source"), fields)
    assert response.status_code == 200
    assert "refused the login" in page_text(response)
    assert "What to do." in page_text(response)
    assert "a-wrong-secret" not in response.content.decode()
    assert MigrationEvent.objects.filter(migration=draft, message__contains="failed:").exists()


def test_a_failure_tells_what_to_do_at_the_provider(browser: Client) -> None:
    draft = start_draft(browser, source_type="AWS_RDS")
    fields = {"host": "127.0.0.1", "port": "1", "username": "a", "sslmode": "prefer", "maintenance_database": "x"}
    text = page_text(browser.post(step_url(draft, "source"), fields | {"action": "test"}, headers=HTMX))
    assert "At this provider. In the RDS console" in text


def test_the_password_never_comes_back(browser: Client, draft: Migration, server: RunningServer) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    for step in ("setup", "source", "target"):
        page = browser.get(step_url(draft, step)).content.decode()
        assert server.password not in page
    assert 'placeholder="unchanged"' in browser.get(step_url(draft, "source")).content.decode()


def test_an_empty_password_keeps_the_stored_one(browser: Client, draft: Migration, server: RunningServer) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    fields = connection_fields(server.endpoint(), password="", sslmode="disable")
    assert browser.post(step_url(draft, "source"), fields).status_code == 302
    draft.source.refresh_from_db()
    assert open_password(draft.source) == server.password


def test_a_stored_password_is_not_sent_to_another_host(
    browser: Client, draft: Migration, server: RunningServer
) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    fields = connection_fields(server.endpoint(), host="localhost", password="", action="test")
    text = page_text(browser.post(step_url(draft, "source"), fields, headers=HTMX))
    assert "Host, port or user changed: type the password for it." in text
    draft.source.refresh_from_db()
    assert draft.source.host == "127.0.0.1"


def test_a_changed_value_makes_the_test_void(browser: Client, draft: Migration, server: RunningServer) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), maintenance_database="nowhere"))
    draft.source.refresh_from_db()
    assert draft.source.tested_at is None
    assert draft.source.facts == {}
    response = browser.get(step_url(draft, "databases"))
    assert response["Location"] == step_url(draft, "source")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("", "Type the server&#x27;s host name"),
        ("postgres://me@db/shop", "This is a connection address"),
        ("db.example.com:5432", "Type the port in its own field"),
        ("my-project:europe-west1:shop", "Cloud SQL connection name"),
        ("a b", "This is not a host name"),
        ("one,two", "This is not a host name"),
        ("/var/run/postgresql", "Sockets of the portal&#x27;s machine are not used"),
        ("@abstract", "Sockets of the portal&#x27;s machine are not used"),
    ],
)
def test_a_bad_host_is_explained(browser: Client, draft: Migration, host: str, words: str) -> None:
    fields = {"host": host, "port": "5432", "username": "a", "sslmode": "prefer", "maintenance_database": "postgres"}
    page = browser.post(step_url(draft, "source"), fields).content.decode()
    assert words in page


def test_tls_with_an_uploaded_authority(browser: Client, draft: Migration, servers: ServerPool) -> None:
    server = servers.get(18, tls=True, name="target")
    authority = SimpleUploadedFile("ca.pem", Path(server.ca_file or "").read_bytes())
    fields = connection_fields(server.endpoint(Side.TARGET), ca_certificate="", ca_file=authority, action="test")
    response = browser.post(step_url(draft, "target"), fields, headers=HTMX)
    assert "certificate and host name verified" in page_text(response)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("hello", "not a PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "The certificate cannot be read"),
        ("-----BEGIN PRIVATE KEY-----", "private key"),
    ],
)
def test_a_bad_authority_is_explained(
    browser: Client, draft: Migration, server: RunningServer, pem: str, words: str
) -> None:
    fields = connection_fields(server.endpoint(), sslmode="verify-full", ca_certificate=pem)
    assert words in page_text(browser.post(step_url(draft, "source"), fields))


def test_only_allowed_networks_are_reached(
    browser: Client, draft: Migration, server: RunningServer, settings: Any
) -> None:
    settings.PORTAL_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    fields = connection_fields(server.endpoint(), action="test")
    text = page_text(browser.post(step_url(draft, "source"), fields, headers=HTMX))
    assert "127.0.0.1 (127.0.0.1) is not in a network that this portal may reach." in text


def test_a_saved_server_fills_the_step_with_its_password(
    browser: Client, draft: Migration, server: RunningServer
) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), save_as="Shop production"))
    saved = SavedConnection.objects.get(name="Shop production")
    assert open_password(saved) == server.password
    browser.post(step_url(draft, "target"), {"action": "use-saved", "saved": str(saved.pk)})
    draft.target.refresh_from_db()
    assert draft.target.saved_connection == saved
    assert open_password(draft.target) == server.password
    assert draft.target.tested_at is None


def test_a_saved_password_whose_key_is_gone_is_a_message(
    browser: Client, draft: Migration, server: RunningServer
) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), save_as="Shop production"))
    SavedConnection.objects.update(sealed_password="v1:00000000:AAAA")
    saved = SavedConnection.objects.get()
    response = browser.post(step_url(draft, "target"), {"action": "use-saved", "saved": str(saved.pk)})
    assert "which this portal does not have" in page_text(response)


def test_a_saved_name_is_taken_once(browser: Client, draft: Migration, server: RunningServer) -> None:
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), save_as="Shop"))
    response = browser.post(step_url(draft, "target"), connection_fields(server.endpoint(), save_as="shop"))
    assert "A saved server is named shop already" in page_text(response)


def test_an_old_form_does_not_undo_a_newer_server(browser: Client, draft: Migration, server: RunningServer) -> None:
    old = seen_mark(browser.get(step_url(draft, "source")))
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint(), seen=old))
    fields = connection_fields(server.endpoint(), maintenance_database="template1", seen=old)
    response = browser.post(step_url(draft, "source"), fields)
    assert "changed elsewhere" in page_text(response)
    draft.source.refresh_from_db()
    assert draft.source.maintenance_database == "postgres"


def test_an_old_setup_form_leaves_the_server_alone(browser: Client, draft: Migration, server: RunningServer) -> None:
    page = browser.get(step_url(draft, "setup"))
    browser.post(step_url(draft, "source"), connection_fields(server.endpoint()))
    fields = {"name": "renamed", "source_type": "AWS_RDS", "option": "Validate", "mode": "Offline"}
    browser.post(step_url(draft, "setup"), fields | {"seen": seen_mark(page)})
    draft.refresh_from_db()
    draft.source.refresh_from_db()
    assert (draft.name, draft.source.port) == ("renamed", server.port)
    assert draft.source.tested_at is not None
