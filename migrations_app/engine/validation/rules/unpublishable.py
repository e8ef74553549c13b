"""Rules about what a stream of changes never contains, and what the migration does with it instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.online import online_database_rule
from migrations_app.engine.validation.wording import counted, listed, size, statement

UNLOGGED = code(
    "PM3030",
    Level.WARNING,
    "Unlogged tables are not replicated",
    why="They write no WAL, so no change of them reaches the target. They are copied again at the cutover, while "
    "nothing may write.",
    side=FindingSide.SOURCE,
)
FOREIGN = code(
    "PM3031",
    Level.INFO,
    "Foreign tables are not replicated",
    why="Their rows are on another server and stay there; only the definition moves.",
    side=FindingSide.TARGET,
)
TEMPORARY = code(
    "PM3032",
    Level.INFO,
    "Temporary tables do not move",
    why="They belong to a session of the source and end with it; an application makes them anew where it connects to.",
    side=FindingSide.SOURCE,
)
MATERIALIZED = code(
    "PM3033",
    Level.INFO,
    "Materialized views are not replicated",
    why="Their rows are refreshed on the target at the cutover, which may take as long as it does on the source.",
    side=FindingSide.TARGET,
)
LARGE_OBJECTS = code(
    "PM3034",
    Level.WARNING,
    "Large objects are not replicated",
    why="What is created, changed or deleted after the first copy is in no stream of changes; they are compared and "
    "copied again at the cutover, while nothing may write.",
    side=FindingSide.SOURCE,
)
SEQUENCES = code(
    "PM3035",
    Level.INFO,
    "Sequences are not replicated",
    why="Rows arrive with their numbers, but the sequences of the target do not move on; they are set at the cutover.",
    side=FindingSide.TARGET,
)
BY_PARTITION = code(
    "PM3036",
    Level.WARNING,
    "Partitioned tables are replicated partition by partition",
    why="Publishing a partitioned table as a whole needs PostgreSQL 13. Before, the target needs the same partitions, "
    "and the rows of a partition that is created during the migration do not arrive.",
    side=FindingSide.SOURCE,
)
INHERITED = code(
    "PM3037",
    Level.INFO,
    "Tables that inherit from others",
    why="Each is published by its name; one that is created during the migration is not.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class UnpublishedRow:
    """The row of queries/online_unpublished.sql."""

    temporary_tables: int
    large_objects: int
    large_object_bytes: int
    unlogged_bytes: int


@online_database_rule(UNLOGGED, FOREIGN, TEMPORARY, MATERIALIZED, LARGE_OBJECTS, SEQUENCES)
def unpublished(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which tables, views, sequences and large objects replication leaves out, and when they are copied."""
    row = context.row("online_unpublished", UnpublishedRow)
    yield from _unlogged(context, row)
    if row.large_objects and context.database.selection.is_everything:
        yield _large_objects(context, row)
    if row.temporary_tables:
        yield TEMPORARY.found(
            f"{counted(row.temporary_tables, 'temporary table')} of {context.database.source_name}",
            saw=f"Sessions of the source have {counted(row.temporary_tables, 'temporary table')} now.",
            fix="Nothing has to be done, if the application creates them in each of its sessions.",
        )
    yield from _of_kinds(context)


def _unlogged(context: DatabaseContext, row: UnpublishedRow) -> Iterator[Finding]:
    tables = [table for table in context.tables if table.is_unlogged and table.kind == "r"]
    if tables:
        yield UNLOGGED.found(
            f"{counted(len(tables), 'unlogged table')} of {context.database.source_name}",
            saw=f"These are {listed(table.label for table in tables)}. The unlogged tables of the database take "
            f"{size(row.unlogged_bytes)}.",
            fix="Nothing has to be done if they are small: the cutover takes longer by their copy. Else leave them out "
            "of the selection, or let them write WAL by the script, run on the source: it rewrites each table.",
            fix_sql="\n".join(statement("ALTER TABLE {} SET LOGGED;", table.qualified) for table in tables),
            script_use=ScriptUse.CHOICE,
        )


def _large_objects(context: DatabaseContext, row: UnpublishedRow) -> Finding:
    return LARGE_OBJECTS.found(
        f"{counted(row.large_objects, 'large object')} of {context.database.source_name}",
        saw=f"The database has {counted(row.large_objects, 'large object')} of {size(row.large_object_bytes)} in all.",
        fix="Let the application change none from the start of the migration to the cutover, or plan a longer cutover: "
        "all of them are read once more then. Where they are large, migrate this database offline.",
    )


def _of_kinds(context: DatabaseContext) -> Iterator[Finding]:
    kinds = (
        (FOREIGN, "f", "foreign table", "Make sure that the target reaches the same foreign servers."),
        (MATERIALIZED, "m", "materialized view", "Plan the time of their REFRESH into the cutover."),
        (SEQUENCES, "S", "sequence", "Nothing has to be done; let nothing write to the target before the cutover."),
    )
    for code_, kind, noun, fix in kinds:
        names = [row.label for row in context.relations if row.kind == kind]
        if names:
            subject = f"{counted(len(names), noun)} of {context.database.source_name}"
            yield code_.found(subject, saw=f"These are {listed(names)}.", fix=fix)


@online_database_rule(BY_PARTITION)
def partitions_are_published(context: DatabaseContext) -> Iterator[Finding]:
    """Partitioned tables can be published as a whole (from PostgreSQL 13 on)."""
    roots = [row.label for row in context.tables if row.kind == "p" and not row.is_partition]
    if roots and context.source.facts.major < 13:
        yield BY_PARTITION.found(
            f"{counted(len(roots), 'partitioned table')} of {context.database.source_name}",
            saw=f"The source is PostgreSQL {context.source.facts.major} and has {listed(roots)}.",
            fix="Create the partitions that will be needed before the migration, and none until the cutover.",
        )


@dataclass(frozen=True)
class ParentRow:
    """A row of queries/online_inheritance.sql."""

    schema: str
    name: str
    children: int


@online_database_rule(INHERITED)
def inheritance_is_published(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which tables inherit from others without being partitions."""
    parents = [row for row in context.rows("online_inheritance", ParentRow) if context.takes(row.schema, row.name)]
    if parents:
        yield INHERITED.found(
            f"{counted(len(parents), 'parent table')} of {context.database.source_name}",
            saw="These are " + listed(f"{row.schema}.{row.name} ({row.children:,} below it)" for row in parents) + ".",
            fix="Create no table that inherits from them between the start of the migration and the cutover.",
        )
