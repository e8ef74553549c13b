"""One module for each family of rules; importing this package registers them all."""

from __future__ import annotations

from migrations_app.engine.validation.rules import (
    endpoints,
    extensions,
    locales,
    locks,
    roles,
    room,
    selection,
    settings,
    source_rights,
    special_objects,
    tables,
    target_databases,
    target_rights,
    versions,
)

__all__ = [
    "endpoints",
    "extensions",
    "locales",
    "locks",
    "roles",
    "room",
    "selection",
    "settings",
    "source_rights",
    "special_objects",
    "tables",
    "target_databases",
    "target_rights",
    "versions",
]
