"""What every ledger does, and the small things they share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from migrations_app.engine.events import Event


class Ledger(Protocol):
    """Collects events of some kinds in memory and writes them as rows.

    ``write`` runs inside a transaction that may fail and be tried again: it writes all that is not stored yet and
    tells whether a page would show something new. ``stored`` follows the commit.
    """

    def take(self, event: Event, *, at: datetime) -> None:
        """Take an event that happened at ``at``; other ledgers' events are left alone."""

    def write(self) -> bool:
        """Write what is not stored yet; return whether anything was written."""

    def stored(self) -> None:
        """What ``write`` wrote is committed."""


def clean(text: str) -> str:
    """Return the text without NUL and halves of surrogates, which PostgreSQL cannot keep."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def key_of(database_id: str) -> UUID | None:
    """Return the database's key; None for an event about the whole migration."""
    return UUID(database_id) if database_id else None
