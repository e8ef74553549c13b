"""Walking through the wizard with the test client, the way a browser without JavaScript does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from migrations_app.engine.spec import Endpoint
from migrations_app.models import Migration

SETUP = {"name": "shop-move", "source_type": "OnPremises", "option": "ValidateAndMigrate", "mode": "Offline"}
OPTIONS = {
    "jobs": "3",
    "roles": "copy",
    "verification": "full",
    "on_object_error": "continue",
    "at_warnings": "go_on",
    "split_mib": "1024",
    "start": "now",
}


def connection_fields(endpoint: Endpoint, **changes: Any) -> dict[str, Any]:
    """Return what somebody types to reach ``endpoint``."""
    fields = {
        "host": endpoint.host,
        "port": str(endpoint.port),
        "username": endpoint.user,
        "password": endpoint.password,
        "sslmode": endpoint.sslmode,
        "ca_certificate": Path(endpoint.ca_file).read_text() if endpoint.ca_file else "",
        "maintenance_database": endpoint.database,
        "action": "next",
    }
    return fields | changes


def start_draft(client: Client, **changes: str) -> Migration:
    """Fill in the first step and return the draft."""
    response = client.post(reverse("migration-new"), SETUP | changes)
    assert response.status_code == 302, page_text(response)
    return Migration.objects.get(name=(SETUP | changes)["name"])


def step_url(migration: Migration, step: str) -> str:
    """Return the address of a step."""
    return reverse("wizard", args=[migration.pk, step])


def draft_with_servers(client: Client, source: Endpoint, target: Endpoint, **changes: str) -> Migration:
    """Return a draft whose servers are tested."""
    migration = start_draft(client, **changes)
    for step, endpoint in (("source", source), ("target", target)):
        response = client.post(step_url(migration, step), connection_fields(endpoint))
        assert response.status_code == 302, page_text(response)
    return migration


def choose(client: Client, migration: Migration, names: dict[str, str], **fields: str) -> HttpResponse:
    """Choose databases: ``names`` maps those of the source to their names on the target.

    ``consent_<name>`` is what is typed to agree that it is overwritten.
    """
    page = client.get(step_url(migration, "databases")).content.decode()
    numbers = dict(re.findall(r'name="name-(\d+)" value="([^"]+)"', page))
    data: dict[str, Any] = {"chosen": list(names), "action": fields.pop("action", "next")}
    for number, name in numbers.items():
        data[f"name-{number}"] = name
        data[f"target-{number}"] = names.get(name, name)
        data[f"consent-{number}"] = fields.get(f"consent_{name}", "")
    return client.post(step_url(migration, "databases"), data)


def seen_mark(response: HttpResponse) -> str:
    """Return the mark that the form of a page carries."""
    found = re.search(r'name="seen"[^>]* value="([0-9a-f]*)"', response.content.decode())
    assert found
    return found.group(1)


def page_text(response: HttpResponse) -> str:
    """Return the words of a page without its tags."""
    body = re.sub(r"<(svg|script|style|head).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
