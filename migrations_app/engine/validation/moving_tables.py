"""Keep of what a query returns what belongs to the migration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from migrations_app.engine.validation.context import DatabaseContext


class _HasOid(Protocol):
    @property
    def oid(self) -> int:
        """The relation's number in pg_class."""


TableRow = TypeVar("TableRow", bound=_HasOid)


def of_migration(context: DatabaseContext, rows: Iterable[TableRow]) -> list[TableRow]:
    """Return the rows about tables that move: nothing that was left out or belongs to an extension."""
    moving = {table.oid for table in context.tables}
    return [row for row in rows if row.oid in moving]
