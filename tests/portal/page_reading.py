"""How tests read a migration's page and ask as it does."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from migrations_app.models import Migration


def page_of(client: Client, migration: Migration, **query: str) -> str:
    """The page's HTML."""
    response = client.get(reverse("migration", args=[migration.pk]), query)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    """What a person reads: no tags, single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def poll_url(html: str) -> str:
    """The address that the page polls; empty when it does not."""
    found = re.search(r'id="live"[^>]* hx-get="([^"]+)"', html)
    return unescape(found.group(1)) if found else ""


def poll(client: Client, url: str) -> Any:
    """Ask as htmx does."""
    return client.get(url, headers={"HX-Request": "true"})


def bump(migration: Migration, **fields: object) -> None:
    """Change a migration as the portal does: its revision grows."""
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1, **fields)


class StoppedClock:
    """The clock by which pages of what runs are sent again; it stands until a test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moments = 0
        for module in ("portal.views.dashboard", "portal.views.migrations"):
            monkeypatch.setattr(f"{module}.clock_token", lambda: str(self.moments))

    def go_on(self) -> None:
        """Ten seconds pass."""
        self.moments += 1
