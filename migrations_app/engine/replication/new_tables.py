"""A table that was made on the source since: what makes it on the target, and how it joins what is migrated."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from migrations_app.engine.errors import ToolFailed
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.difference import Difference, TableName, written
from migrations_app.engine.replication.drift import Partition, create_partition
from migrations_app.engine.schema.dump import dump_table

ENUMS_OF = """
SELECT DISTINCT n.nspname::text, t.typname::text,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
  JOIN pg_catalog.pg_type t ON t.oid IN (y.oid, y.typelem) AND t.typtype = 'e'
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
OWNER = "SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = %s"


def new_table(job: DatabaseJob, publisher: Connection, subscriber: Connection, name: TableName) -> Difference:
    """Return the difference that a new table is; its rows are copied at the cutover."""
    label = ".".join(name)
    saw = "It was made on the source after the copy began. Once the target has it, its rows are copied at the cutover."
    try:
        statements = how_to_make(job, publisher, subscriber, name)
    except ToolFailed as error:
        statements, saw = (
            (),
            f"{saw} Its definition cannot be read now: {error.message} {error.server_message}".rstrip(),
        )
    return Difference(
        f"table {label}",
        saw,
        statements,
        is_harmful=False,
        is_new=True,
    )


def how_to_make(job: DatabaseJob, publisher: Connection, subscriber: Connection, name: TableName) -> tuple[str, ...]:
    """Return the statements of pg_dump that make a table with its indexes, constraints, triggers and grants.

    The schema and the enums it needs come first, where the target lacks them. Raises ``ToolFailed``.
    """
    partitions = {each.full_name: each for each in fetch(publisher, "follow_partitions", Partition)}
    if name in partitions:
        return create_partition(partitions[name])
    with TemporaryDirectory(prefix="pgmig-") as folder:
        made = dump_table(job.source, job.database.source_name, name, file=Path(folder) / "table", codec=job.codec)
    return (*_schema(publisher, subscriber, name[0]), *_enums(publisher, subscriber, name), *made)


def _schema(publisher: Connection, subscriber: Connection, schema: str) -> tuple[str, ...]:
    owner = publisher.execute(OWNER, (schema,)).fetchone()
    if owner is None or subscriber.execute(OWNER, (schema,)).fetchone() is not None:
        return ()
    create = "CREATE SCHEMA {} AUTHORIZATION {};"
    return (written(create, sql.Identifier(schema), sql.Identifier(owner[0])),)


def _enums(publisher: Connection, subscriber: Connection, name: TableName) -> tuple[str, ...]:
    statements = []
    for schema, type_, labels in publisher.execute(ENUMS_OF, (qualified(*name).as_string(None),)):
        known = qualified(schema, type_)
        if subscriber.execute("SELECT to_regtype(%s) IS NULL", (known.as_string(None),)).fetchone() == (True,):
            values = sql.SQL(", ").join(sql.Literal(label) for label in labels)
            statements.append(written("CREATE TYPE {} AS ENUM ({});", known, values))
    return tuple(statements)
