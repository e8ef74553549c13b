"""The objects of a database's catalog, as both servers describe them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.verification.query_files import query

# In this order, so that what hangs on a missing relation is not reported again piece by piece.
FILES = (
    "schemas",
    "relations",
    "columns",
    "constraints",
    "indexes",
    "triggers",
    "rules",
    "policies",
    "statistics",
    "functions",
    "types",
    "domains",
    "operators",
    "collations",
    "text_search",
    "languages",
    "extensions",
    "foreign_servers",
    "event_triggers",
    "default_privileges",
    "database",
    "security_labels",
)
FETCH_ROWS = 2000
SEPARATOR = "\x01"


@dataclass(frozen=True)
class CatalogObject:
    """One object: what it is, where it lives, and its properties by name.

    ``relation`` is the table, view or sequence that it is or belongs to.
    """

    object_class: str
    schema: str | None
    relation: str | None
    name: str
    key: str
    properties: dict[str, Any]

    @property
    def owner(self) -> str | None:
        """The role that owns it, if it has an owner."""
        owner = self.properties.get("owner", self.properties.get("owner of the table"))
        return None if owner is None else str(owner)


@contextmanager
def read_objects(connection: Connection, file: str, *, oldest: int) -> Iterator[Iterator[CatalogObject]]:
    """Stream the objects of one query file in the order of their keys; must be inside a transaction.

    ``oldest`` is the older of the two servers' major versions.
    """
    version = connection.info.server_version // 10000
    statement = sql.SQL(
        "SELECT class, schema::text, relation::text, name, k.key, properties"
        " FROM ({}) AS objects(class, schema, relation, name, properties)"
        " CROSS JOIN LATERAL (SELECT concat_ws({separator}, class, schema,"
        " CASE WHEN class <> 'sequence definition' THEN relation END, name) AS key) AS k"
        " ORDER BY convert_to(k.key, 'UTF8')"
    ).format(query(f"catalog/{file}", version=version), separator=sql.Literal(SEPARATOR))
    with connection.cursor(name="catalog") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(statement, {"oldest": oldest})
        yield (CatalogObject(*row) for row in cursor)


def side_by_side(
    before: Iterator[CatalogObject], after: Iterator[CatalogObject]
) -> Iterator[tuple[CatalogObject | None, CatalogObject | None]]:
    """Merge two streams in key order; None where one side has no such object."""
    one, other = next(before, None), next(after, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = next(before, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = next(after, None)
        else:
            yield one, other
            one, other = next(before, None), next(after, None)
