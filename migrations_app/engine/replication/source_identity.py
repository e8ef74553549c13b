"""Tell whether the source is still the server that the slot was made on."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import ReadFailed, fetch_one

UNKNOWN = ""


@dataclass(frozen=True)
class _Identity:
    system: str
    timeline: int


def read_source_identity(connection: Connection) -> str:
    """Return system identifier and time line; empty where a provider hides them."""
    try:
        found = fetch_one(connection, "follow_source_identity", _Identity)
    except ReadFailed:
        return UNKNOWN
    return f"{found.system}/{found.timeline}"


def is_another(noted: str, now: str) -> bool:
    """Tell whether both are known and differ."""
    return UNKNOWN not in (noted, now) and noted != now
