"""The columns of tables and what their types are made of, as the digests need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrations_app.engine.postgres import Connection
from migrations_app.engine.verification.query_files import query

ARRAY, COMPOSITE, DOMAIN, MULTIRANGE, RANGE = "a", "c", "d", "m", "r"


@dataclass(frozen=True)
class ColumnType:
    """A type: ``kind`` is pg_type.typtype, or ``a`` for a true array.

    ``members`` are the fields of a composite by name; of an array, domain or range the one type inside.
    ``send`` is schema and name of its binary output function. ``may_be_long`` tells that
    values may be kilobytes and that their cast to text is exactly what the output function prints.
    """

    schema: str
    name: str
    kind: str = "b"
    send: tuple[str, str] | None = None
    may_be_long: bool = False
    members: tuple[tuple[str, ColumnType], ...] = ()

    @property
    def inner(self) -> ColumnType:
        """The type inside an array, domain or range."""
        return self.members[0][1]

    @property
    def is_builtin(self) -> bool:
        """True for a type of PostgreSQL itself, whose OID is the same on every server."""
        return self.schema == "pg_catalog"


@dataclass(frozen=True)
class Column:
    """One column of a table; generated columns are columns too."""

    name: str
    type: ColumnType


TableName = tuple[str, str]


def read_columns(
    connection: Connection, *, schema: str | None = None, table: str | None = None
) -> dict[TableName, tuple[Column, ...]]:
    """Return the columns of every user table by (schema, table), or of one table.

    Two queries whatever the number of tables. A table without columns is absent: read it with ``.get(name, ())``.
    """
    types = _read_types(connection)
    found: dict[TableName, list[Column]] = {}
    rows = connection.execute(query("columns"), {"schema": schema, "table": table})
    for schema_name, table_name, column, type_oid in rows:
        found.setdefault((schema_name, table_name), []).append(Column(column, types[type_oid]))
    return {name: tuple(columns) for name, columns in found.items()}


def _read_types(connection: Connection) -> Mapping[int, ColumnType]:
    raw = {row[0]: row[1:] for row in connection.execute(query("column_types"))}
    built: dict[int, ColumnType] = {}
    for oid in raw:
        _build(oid, raw=raw, built=built)
    return built


def _build(oid: int, *, raw: Mapping[int, tuple[Any, ...]], built: dict[int, ColumnType]) -> ColumnType:
    """Build a type after the types inside it; PostgreSQL allows no type that contains itself."""
    if oid in built:
        return built[oid]
    schema, name, kind, send_schema, send_name, may_be_long, members = raw[oid]
    inside = tuple((field, _build(member, raw=raw, built=built)) for field, member in members or ())
    send = (send_schema, send_name) if send_name else None
    built[oid] = ColumnType(schema, name, kind, send, may_be_long, inside)
    return built[oid]
