"""Rules about what the source user may read: tables, sequences, schemas, large objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.validation.catalog import RelationRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped, counted, listed, statement

NOT_READABLE = code(
    "603110",
    Level.FAILED,
    "Source user may not read everything",
    why="pg_dump locks every table before it reads the schema, and the copy reads every row; both end at the first "
    "table or sequence without SELECT.",
    side=FindingSide.SOURCE,
)
LARGE_OBJECTS_HIDDEN = code(
    "PM2002",
    Level.FAILED,
    "Source user may not read large objects",
    why="Large objects have an owner and grants of their own; pg_read_all_data does not include them.",
    side=FindingSide.SOURCE,
)
OF_KIND = {"r": "table", "p": "table", "m": "materialized view", "S": "sequence"}


@database_rule(NOT_READABLE)
def readable_schemas(context: DatabaseContext) -> Iterator[Finding]:
    """The source user has USAGE on every schema of the migration."""
    hidden = sorted({row.schema for row in context.relations if not row.may_use_schema})
    user = context.source.user
    findings = [
        NOT_READABLE.found(
            f"Schema {schema}",
            saw=f"{user} lacks USAGE on the schema.",
            fix=f"Run the script on the source, in database {context.database.source_name}, as the schema's owner.",
            fix_sql=statement("GRANT USAGE ON SCHEMA {} TO {};", schema, user),
        )
        for schema in hidden
    ]
    yield from capped(findings, NOT_READABLE, what="schemas")


@database_rule(NOT_READABLE)
def readable_relations(context: DatabaseContext) -> Iterator[Finding]:
    """The source user has SELECT on every table and sequence of the migration."""
    hidden = [row for row in context.relations if row.kind in OF_KIND and not row.may_select]

    def key(row: RelationRow) -> tuple[str, str]:
        return row.schema, OF_KIND[row.kind]

    relations = Counter((row.schema, OF_KIND[row.kind]) for row in context.relations if row.kind in OF_KIND)
    findings = [
        _not_readable(context, schema, kind, list(rows), relations=relations)
        for (schema, kind), rows in groupby(sorted(hidden, key=key), key=key)
    ]
    yield from capped(findings, NOT_READABLE, what="schemas")


def _not_readable(
    context: DatabaseContext,
    schema: str,
    kind: str,
    rows: Sequence[RelationRow],
    *,
    relations: Mapping[tuple[str, str], int],
) -> Finding:
    user = context.source.user
    return NOT_READABLE.found(
        f"{counted(len(rows), kind)} of schema {schema}",
        saw=f"{user} lacks SELECT on {listed(row.label for row in rows)}.",
        fix=f"Run the script on the source, in database {context.database.source_name}, as the owner"
        + (", or grant the role pg_read_all_data." if context.source.facts.major >= 14 else "."),
        fix_sql=_grants(schema, rows, user=user, relations=relations),
    )


def _grants(schema: str, rows: Sequence[RelationRow], *, user: str, relations: Mapping[tuple[str, str], int]) -> str:
    if rows[0].kind == "S":
        if len(rows) == relations[schema, OF_KIND["S"]]:
            return statement("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {};", schema, user)
        return "\n".join(statement("GRANT SELECT ON SEQUENCE {} TO {};", row.qualified, user) for row in rows)
    if len(rows) == relations[schema, OF_KIND["r"]]:
        return statement("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {};", schema, user)
    return "\n".join(statement("GRANT SELECT ON TABLE {} TO {};", row.qualified, user) for row in rows)


@dataclass(frozen=True)
class LargeObjectRow:
    """A row of queries/validation_large_objects.sql."""

    total: int
    hidden: int
    first_hidden: list[int] | None
    owners: list[str] | None


@database_rule(LARGE_OBJECTS_HIDDEN)
def readable_large_objects(context: DatabaseContext) -> Iterator[Finding]:
    """The source user may read every large object."""
    if context.source.superuser:
        return
    row = context.row("validation_large_objects", LargeObjectRow)
    if not row.hidden:
        return
    user = context.source.user
    owners = row.owners or []
    yield LARGE_OBJECTS_HIDDEN.found(
        counted(row.hidden, "large object"),
        saw=f"{user} may read {row.total - row.hidden:,} of {row.total:,}; the others belong to {listed(owners)}.",
        fix="Become a member of their owners by the script, run on the source as an administrator; or grant SELECT on "
        "each large object.",
        fix_sql="\n".join(statement("GRANT {} TO {};", owner, user) for owner in owners),
    )
