"""What could be the replica identity of a table, and the statement that makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrations_app.engine.postgres import sql
from migrations_app.engine.validation.context import DatabaseContext


@dataclass(frozen=True)
class Candidate:
    """A row of queries/online_identity_candidates.sql: a unique index of columns that are not null."""

    table_oid: int
    index: str
    is_primary_key: bool


def candidates(context: DatabaseContext, tables: Iterable[int]) -> Mapping[int, Candidate]:
    """Return the best candidate of each table (by oid) that has one.

    https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
    """
    rows = context.rows("online_identity_candidates", Candidate, tables=list(tables))
    return {row.table_oid: row for row in rows}


def set_identity(schema: str, table: str, candidate: Candidate | None) -> str:
    """Return the statement that gives a table its candidate as replica identity, or else the whole row."""
    name = sql.Identifier(schema, table)
    if candidate is None:
        return sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL;").format(name).as_string()
    if candidate.is_primary_key:
        return sql.SQL("ALTER TABLE {} REPLICA IDENTITY DEFAULT;").format(name).as_string()
    index = sql.Identifier(candidate.index)
    return sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {};").format(name, index).as_string()
