"""Did everything arrive? What both servers say about tables, indexes, constraints, sequences and large objects."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.data_set import DATABASE
from migrations_app.engine.postgres import Connection, Server, qualified, sql

Facts = Mapping[str, object]

TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(c.oid), convalidated
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND contype <> 'n' ORDER BY 1, 2
"""
SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
LARGE_OBJECTS = "SELECT count(DISTINCT loid), coalesce(sum(length(data)), 0) FROM pg_largeobject"


def facts(server: Server) -> dict[str, object]:
    """Everything that must be equal after a move; not-null constraints are left out, since only 18 lists them."""
    with server.connected(DATABASE, purpose="equality") as connection:
        return {
            "rows": _row_counts(connection),
            "indexes": connection.execute(INDEXES).fetchall(),
            "constraints": connection.execute(CONSTRAINTS).fetchall(),
            "sequences": connection.execute(SEQUENCES).fetchall(),
            "large objects": connection.execute(LARGE_OBJECTS).fetchone(),
        }


def differences(source: Facts, target: Facts) -> list[str]:
    """Say in words what differs; empty when all is equal."""
    return [
        f"{name} differ: {_first_difference(source[name], target[name])}"
        for name in source
        if source[name] != target[name]
    ]


def _row_counts(connection: Connection) -> dict[str, int]:
    counts = {}
    for schema, table in connection.execute(TABLES).fetchall():
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(qualified(schema, table))).fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else -1
    return counts


def _first_difference(source: object, target: object) -> str:
    if isinstance(source, dict) and isinstance(target, dict):
        source, target = sorted(source.items()), sorted(target.items())
    if isinstance(source, list) and isinstance(target, list):
        only_source = next((each for each in source if each not in target), "nothing")
        only_target = next((each for each in target if each not in source), "nothing")
        return f"only on the source {only_source}, only on the target {only_target}"
    return f"{source} on the source, {target} on the target"
