"""The databases a source offers, beside what the target has: read from both servers, kept with the draft."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import TableFacts, list_databases, list_tables
from migrations_app.engine.spec import Endpoint, MigrationOption, Side
from migrations_app.models import Migration, MigrationDatabase
from migrations_app.services.endpoints import endpoint_from_row

LIST_SECONDS = 12.0
TABLES_SECONDS = 20.0
KEPT = ("name", "owner", "encoding", "collate", "locale_provider", "size_bytes", "table_count", "extensions", "problem")


@dataclass(frozen=True)
class Offer:
    """Databases by name, as dicts of ``KEPT``, of source and target, and when they were read."""

    source: dict[str, dict[str, Any]]
    target: dict[str, dict[str, Any]]
    read_at: datetime

    @property
    def age_seconds(self) -> float:
        """How old the lists are."""
        return (timezone.now() - self.read_at).total_seconds()


def stored_offer(migration: Migration) -> Offer | None:
    """Return what was read last, or None if a server was changed or tested since."""
    source, target = migration.source.facts.get("databases"), migration.target.facts.get("databases")
    read_at = parse_datetime(migration.source.facts.get("databases_read_at", ""))
    if source is None or target is None or read_at is None:
        return None
    return Offer(source=source, target=target, read_at=read_at)


def read_offer(migration: Migration) -> Offer:
    """Read both lists, at the same time, and keep them. Raises ``EngineError``."""
    endpoints = [endpoint_from_row(migration.source, Side.SOURCE), endpoint_from_row(migration.target, Side.TARGET)]
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="list-databases") as pool:
        source, target = pool.map(_list, endpoints)
    read_at = timezone.now()
    for row, databases in ((migration.source, source), (migration.target, target)):
        row.facts = row.facts | {"databases": databases, "databases_read_at": read_at.isoformat()}
        row.save(update_fields=["facts"])
    return Offer(source=source, target=target, read_at=read_at)


def consent_missing(migration: Migration, *, chosen: Iterable[MigrationDatabase]) -> list[MigrationDatabase]:
    """Return the chosen databases that may exist on the target and that nobody agreed to overwrite.

    Where the target's list is not known, every database may exist there.
    """
    if migration.option == MigrationOption.VALIDATE:
        return []
    existing = migration.target.facts.get("databases")
    return [row for row in chosen if not row.overwrite and (existing is None or row.target_name in existing)]


def read_tables(migration: Migration, *, database: str) -> list[TableFacts]:
    """Return the tables of one database of the source, for choosing among them. Raises ``EngineError``."""
    endpoint = endpoint_from_row(migration.source, Side.SOURCE)
    return list_tables(Server(endpoint), database, time_limit_seconds=TABLES_SECONDS)


def _list(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    found = list_databases(Server(endpoint), time_limit_seconds=LIST_SECONDS)
    return {facts.name: {key: facts.as_dict()[key] for key in KEPT} for facts in found}


def is_same_server(migration: Migration) -> bool:
    """Tell whether source and target are one server: by its own identity, else by host and port."""
    source, target = migration.source, migration.target
    if (source.host.lower(), source.port) == (target.host.lower(), target.port):
        return True
    identity = source.facts.get("identity")
    return bool(identity) and identity == target.facts.get("identity")
