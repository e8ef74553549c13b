"""One module for each family of rules; importing this package registers them all."""

from __future__ import annotations

from migrations_app.engine.validation.rules import (
    extensions,
    full_identity,
    locales,
    locks,
    replica_identity,
    replication_blockers,
    roles,
    room,
    scheduled_ddl,
    selection,
    settings,
    source_rights,
    special_objects,
    tables,
    target_databases,
    target_rights,
    unpublishable,
    versions,
)

__all__ = [
    "extensions",
    "full_identity",
    "locales",
    "locks",
    "replica_identity",
    "replication_blockers",
    "roles",
    "room",
    "scheduled_ddl",
    "selection",
    "settings",
    "source_rights",
    "special_objects",
    "tables",
    "target_databases",
    "target_rights",
    "unpublishable",
    "versions",
]
