"""The order of the admin's index: migrations first, then people with their logins, then what runs in the background."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

FIRST = (
    "Migration",
    "MigrationDatabase",
    "TableCopy",
    "MigrationEvent",
    "MigrationFinding",
    "VerificationResult",
    "Replication",
    "CutoverAttempt",
    "ReplicationRequest",
)
APPS = ("migrations_app", "auth")
SHOWN_UNDER = {"admin": "migrations_app", "axes": "auth"}
NAMES = {"auth": "People"}


def ordered(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sections in our order, small ones inside the section where a person looks for them."""
    known = {app["app_label"]: app for app in apps}
    for label, place in SHOWN_UNDER.items():
        if label in known and place in known:
            known[place]["models"] += known.pop(label)["models"]
    for label, app in known.items():
        app["name"] = NAMES.get(label, app["name"])
    if "migrations_app" in known:
        known["migrations_app"]["models"].sort(key=_rank)
    return sorted(known.values(), key=lambda app: APPS.index(app["app_label"]) if app["app_label"] in APPS else 9)


def _rank(model: dict[str, Any]) -> int:
    return FIRST.index(model["object_name"]) if model["object_name"] in FIRST else len(FIRST)


def app_list(request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
    """Replace ``AdminSite.get_app_list``; the page of one section keeps to that section."""
    apps = admin.AdminSite.get_app_list(admin.site, request, app_label)
    return apps if app_label else ordered(apps)
