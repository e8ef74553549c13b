"""Where requests come from, and the health question."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from portal.env import Network
from portal.middleware import ClientAddressMiddleware


def address_seen(*, remote: str, forwarded: str) -> str:
    seen: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    ClientAddressMiddleware(view)(RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded}))
    return str(seen[0])


@pytest.fixture
def _one_proxy(settings: Settings) -> None:
    import ipaddress

    proxies: list[Network] = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.1.0.0/16")]
    settings.TRUSTED_PROXIES = proxies


@pytest.mark.usefixtures("_one_proxy")
@pytest.mark.parametrize(
    ("remote", "forwarded", "seen"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # not a proxy of ours: its word counts for nothing
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "192.0.2.66, 198.51.100.1, 10.1.2.3", "198.51.100.1"),  # the client's own claim is left out
        ("127.0.0.1", "198.51.100.1:50312", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8::7]:50312, 10.1.2.3:443", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "not an address", "127.0.0.1"),
    ],
)
def test_the_client_address_is_taken_from_trusted_proxies_only(remote: str, forwarded: str, seen: str) -> None:
    assert address_seen(remote=remote, forwarded=forwarded) == seen


def test_without_trusted_proxies_nobody_is_believed(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = []
    assert address_seen(remote="127.0.0.1", forwarded="198.51.100.1") == "127.0.0.1"


@pytest.mark.django_db
def test_health_needs_neither_login_nor_a_known_host(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = client.get("/healthz", headers={"Host": "10.0.0.1"})
    assert (response.status_code, response.json()) == (200, {"portal": "up", "database": "up"})


def test_health_says_that_the_database_is_down(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    from django.db import connection

    with django_db_blocker.unblock():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "HOST", "/nonexistent")
        response = client.get("/healthz")
        connection.close()
    assert (response.status_code, response.json()) == (503, {"portal": "up", "database": "down"})


@pytest.mark.django_db
def test_every_page_has_the_strict_policy(client: Client) -> None:
    policy = client.get("/login/").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
