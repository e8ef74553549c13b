"""A change to some parts, carried to their tables and their database in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from migrations_app.models import PartState
from migrations_app.services.queries import query


@dataclass(frozen=True)
class PartChange:
    """Parts ``ids`` that are in ``from_states`` become ``to``, with new numbers (none: no rows, no bytes).

    ``copies`` commits on the target are added; ``again`` forgets those before. ``any_fence`` takes parts of older runs.
    """

    migration_id: UUID
    fence: int
    ids: Sequence[int]
    from_states: tuple[PartState, ...]
    to: PartState
    rows: Sequence[int] | None = None
    bytes: Sequence[int] | None = None
    copies: int = 0
    error: str = ""
    again: bool = False
    any_fence: bool = False

    def apply(self, connection: BaseDatabaseWrapper) -> int:
        """Return how many parts changed; none when the fence is not the newest."""
        nothing = [0] * len(self.ids)
        values: dict[str, Any] = {
            "migration_id": self.migration_id,
            "fence": self.fence,
            "ids": list(self.ids),
            "rows": nothing if self.rows is None else list(self.rows),
            "bytes": nothing if self.bytes is None else list(self.bytes),
            "from_states": [state.value for state in self.from_states],
            "state": self.to.value,
            "copies": self.copies,
            "error": self.error,
            "again": self.again,
            "any_fence": self.any_fence,
        }
        with connection.cursor() as cursor:
            cursor.execute(query("part_change"), values)
            row = cursor.fetchone()
        return int(row[0]) if row else 0
