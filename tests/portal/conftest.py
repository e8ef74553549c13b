"""A person at a real browser, for the tests of pages that need one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from tests.acceptance.browser import Visitor, chromium
from tests.fixtures.people import PASSWORD


@pytest.fixture
def visitor(live_server: LiveServer, dana: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    """Dana at her browser; at the end it must not have complained."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with chromium() as browser:
        person = Visitor(browser, base=live_server.url)
        person.page.goto(live_server.url)
        person.page.locator("[name=username]").fill(dana.username)
        person.page.locator("[name=password]").fill(PASSWORD)
        person.page.get_by_role("button", name="Log in").click()
        expect(person.page).to_have_title(re.compile("Dashboard"))
        yield person
        connections.close_all()  # inside Playwright's event loop Django keeps connections apart from those outside
    assert person.complaints == []
