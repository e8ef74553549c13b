"""Decide which tables are copied and in which parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.postgres import Connection, qualified, queries, sql

TID_RANGE_SCAN_VERSION = 140000  # before, a ctid range reads the whole table: release notes of PostgreSQL 14
BLOCK_BYTES = 8192
MOST_PARTS = 256


def plan_tables(
    connection: Connection,
    *,
    takes: Callable[[str, str], bool],
    split_bytes: int,
    skips_extension: Callable[[str], bool],
) -> list[TablePlan]:
    """Read the tables of the source database in the caller's snapshot; the largest come first.

    ``takes`` tells by schema and name what is copied, ``skips_extension`` whose configuration is not.
    """
    version = connection.info.server_version
    cursor = connection.execute(queries.get("plan_tables", server_version=version), {})
    names = [column.name for column in cursor.description or ()]
    trees = _trees(connection)
    tables = [
        _plan(connection, dict(zip(names, row, strict=True)), split_bytes=split_bytes, trees=trees)
        for row in cursor.fetchall()
        if takes(row[names.index("schema")], row[names.index("name")])
        and not skips_extension(row[names.index("extension")])
    ]
    return sorted(tables, key=lambda table: (-table.bytes, table.schema, table.name))


def _trees(connection: Connection) -> dict[int, tuple[str, str]]:
    """Return the OID of each partition whose rows must be spread anew, with the table that does it.

    pg_dump calls this --load-via-partition-root: https://www.postgresql.org/docs/18/app-pgdump.html
    """
    query = queries.get("scattered_partitions", server_version=connection.info.server_version)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query, {})}


def _plan(
    connection: Connection, row: dict[str, Any], *, split_bytes: int, trees: dict[int, tuple[str, str]]
) -> TablePlan:
    version = connection.info.server_version
    return TablePlan(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        columns=tuple(row["columns"]),
        bytes=row["bytes"] if row["heap_bytes"] else 0,
        rows_estimate=row["rows_estimate"],
        binary=row["binary"],
        parts=tuple(_parts(connection, row, split_bytes=split_bytes, version=version)),
        condition=_bare_condition(row["condition"]),
        is_configuration=row["is_configuration"],
        tree=trees.get(row["oid"]),
    )


def _bare_condition(condition: str) -> str:
    """An extension's condition is stored with its WHERE: https://www.postgresql.org/docs/18/extend-extensions.html"""
    text = " ".join(condition.split())
    return text[6:] if text[:6].upper() == "WHERE " else text


def _parts(connection: Connection, row: dict[str, Any], *, split_bytes: int, version: int) -> Iterator[PartPlan]:
    wanted = min(math.ceil(row["bytes"] / split_bytes), MOST_PARTS)
    # A part must name its columns in a query, which a table without columns to copy cannot.
    if wanted < 2 or row["is_configuration"] or not row["columns"]:
        yield PartPlan(0, PartKind.WHOLE)
    elif version >= TID_RANGE_SCAN_VERSION:
        yield from ranges(PartKind.CTID, 0, math.ceil(row["heap_bytes"] / BLOCK_BYTES), count=wanted)
    elif row["key_column"]:
        low, high = _key_bounds(connection, row)
        yield from ranges(PartKind.KEY, low, high + 1, count=wanted, key_column=row["key_column"])
    else:
        yield PartPlan(0, PartKind.WHOLE)


def _key_bounds(connection: Connection, row: dict[str, Any]) -> tuple[int, int]:
    column = sql.Identifier(row["key_column"])
    found = connection.execute(
        sql.SQL("SELECT coalesce(min({0}), 0)::bigint, coalesce(max({0}), 0)::bigint FROM ONLY {1}").format(
            column, qualified(row["schema"], row["name"])
        )
    ).fetchone()
    return found or (0, 0)


def ranges(kind: PartKind, low: int, high: int, *, count: int, key_column: str = "") -> Iterator[PartPlan]:
    """Cut ``low <= x < high`` into ``count`` ranges; the first and the last are open, so that no row is left out.

    >>> [(p.lower, p.upper) for p in ranges(PartKind.CTID, 0, 100, count=3)]
    [(None, 33), (33, 66), (66, None)]
    """
    count = max(1, min(count, high - low))
    bounds = [low + (high - low) * i // count for i in range(1, count)]
    for number, (lower, upper) in enumerate(zip([None, *bounds], [*bounds, None], strict=True)):
        yield PartPlan(number, kind, lower, upper, key_column)
