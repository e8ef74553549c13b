"""Which migrations were made from a saved server: how many, and the names of the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from migrations_app.models import Migration, SavedConnection

NAMES_SHOWN = 5


@dataclass(frozen=True)
class ServerUse:
    """The migrations of one saved server; ``names`` are the newest few of ``count``."""

    count: int = 0
    names: tuple[str, ...] = ()

    @property
    def not_named(self) -> int:
        """How many more there are than names."""
        return self.count - len(self.names)


def uses_of(servers: Iterable[SavedConnection]) -> dict[UUID, ServerUse]:
    """Return the use of each of these servers (two queries, whatever their number)."""
    found: dict[UUID, list[dict[str, Any]]] = {server.pk: [] for server in servers}
    for side in ("source", "target"):
        for row in _newest(side, list(found)):
            found[row["server"]].append(row)
    return {key: _use(rows) for key, rows in found.items()}


def _newest(side: str, keys: Sequence[UUID]) -> Iterable[Any]:
    """The newest migrations of each server on one side, each row with the number of all of them."""
    server = F(f"{side}__saved_connection")
    return (
        Migration.objects.filter(**{f"{side}__saved_connection__in": keys})
        .annotate(
            server=server,
            rank=Window(RowNumber(), partition_by=server, order_by=F("created_at").desc()),
            total=Window(Count("pk"), partition_by=server),
        )
        .filter(rank__lte=NAMES_SHOWN)
        .values("server", "name", "created_at", "rank", "total")
    )


def _use(rows: Sequence[dict[str, Any]]) -> ServerUse:
    newest = sorted(rows, key=lambda row: row["created_at"], reverse=True)
    names = tuple(dict.fromkeys(row["name"] for row in newest))[:NAMES_SHOWN]
    return ServerUse(count=max(sum(row["total"] for row in rows if row["rank"] == 1), len(names)), names=names)
