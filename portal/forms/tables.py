"""Choosing schemas and tables of one database: everything except some, or only some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from migrations_app.engine.probe import TableFacts
from migrations_app.engine.spec import Selection

EXCEPT, ONLY = "except", "only"
TABLE_KINDS = ("table", "partitioned table")
SEPARATOR = "\x1f"


@dataclass
class SchemaNode:
    """A schema with its tables, largest first, and what is ticked."""

    name: str
    tables: list[TableFacts] = field(default_factory=list)
    ticked: bool = False
    ticked_tables: frozenset[str] = frozenset()

    @property
    def bytes(self) -> int:
        """Size of all its tables."""
        return sum(table.bytes for table in self.tables)


def tree(tables: Iterable[TableFacts], *, selection: Selection) -> list[SchemaNode]:
    """Return the schemas of a database, with ticks for what ``selection`` names."""
    only = is_only(selection)
    schemas = selection.include_schemas if only else selection.exclude_schemas
    names = selection.include_tables if only else selection.exclude_tables
    nodes: dict[str, SchemaNode] = {}
    for table in sorted(tables, key=lambda table: (-table.bytes, table.name)):
        node = nodes.setdefault(table.schema, SchemaNode(table.schema, ticked=table.schema in schemas))
        node.tables.append(table)
    for node in nodes.values():
        node.ticked_tables = frozenset(name for schema, name in names if schema == node.name)
    return sorted(nodes.values(), key=lambda node: node.name)


def is_only(selection: Selection) -> bool:
    """Tell whether a selection names what moves, rather than what stays."""
    return bool(selection.include_schemas or selection.include_tables)


def selection_from_post(data: QueryDict) -> Selection:
    """Return the selection that was ticked."""
    schemas = tuple(data.getlist("schema"))
    pairs = (value.split(SEPARATOR, 1) for value in data.getlist("table") if SEPARATOR in value)
    tables = tuple((schema, name) for schema, name in pairs if schema not in schemas)
    if data.get("which") == ONLY:
        return Selection(include_schemas=schemas, include_tables=tables)
    return Selection(exclude_schemas=schemas, exclude_tables=tables)


def what_remains(tables: Sequence[TableFacts], *, selection: Selection) -> dict[str, Any]:
    """Return the sum of what moves, for the row of the database and for the estimate."""
    moving = [table for table in tables if selection.takes(table.schema, table.name)]
    return {
        "remaining_bytes": sum(table.bytes for table in moving),
        "remaining_tables": len(moving),
        "all_tables": len(tables),
    }
