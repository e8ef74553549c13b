"""Rules about tables and columns: what newer versions no longer know, and what is good to know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped, counted, listed, statement

WITH_OIDS = code(
    "603404",
    Level.FAILED,
    "Table has OIDs",
    why="PostgreSQL 12 removed WITH OIDS: the hidden oid column and its values do not exist on the target.",
    side=FindingSide.SOURCE,
)
REMOVED_TYPE = code(
    "PM2040",
    Level.FAILED,
    "Column has a type that the target no longer knows",
    why="PostgreSQL 12 removed abstime, reltime and tinterval; the table cannot be created.",
    side=FindingSide.SOURCE,
)
REG_TYPE = code(
    "PM2041",
    Level.INFO,
    "Column names objects of the catalog",
    why="Values of types such as regclass are object numbers, which differ on the target: they are copied by name. A "
    "value whose object does not exist there when the row arrives, such as an index, is refused.",
    side=FindingSide.SOURCE,
)
UNLOGGED = code(
    "PM2042",
    Level.INFO,
    "Unlogged tables",
    why="They are copied and stay unlogged: their rows are lost on the target if it crashes, as on the source.",
    side=FindingSide.TARGET,
)
INVALID_INDEX = code(
    "PM2043",
    Level.INFO,
    "Index is invalid",
    why="A CREATE INDEX CONCURRENTLY that failed leaves an invalid index; pg_dump leaves it out.",
    side=FindingSide.SOURCE,
)
TABLESPACE = code(
    "PM2044",
    Level.INFO,
    "Tablespaces are not kept",
    why="The target's machine has other disks; everything is created in the default tablespace.",
    side=FindingSide.TARGET,
)


@database_rule(WITH_OIDS)
def tables_with_oids(context: DatabaseContext) -> Iterator[Finding]:
    """No table has OIDs when the target is PostgreSQL 12 or newer."""
    if context.target.facts.major < 12:
        return
    findings = [
        WITH_OIDS.found(
            f"Table {row.label}",
            saw="The table was created WITH OIDS.",
            fix="If nothing reads its oid column, run the script on the source (it rewrites the table before "
            "PostgreSQL 12); else first copy the values into a column of your own.",
            fix_sql=statement("ALTER TABLE {} SET WITHOUT OIDS;", row.qualified),
            script_use=ScriptUse.CHOICE,
        )
        for row in context.tables
        if row.has_oids
    ]
    yield from capped(findings, WITH_OIDS, what="tables")


@dataclass(frozen=True)
class ColumnRow:
    """A row of queries/validation_special_columns.sql."""

    schema: str
    table: str
    column: str
    type: str
    kind: str

    @property
    def names_objects(self) -> bool:
        """Tell whether it is of a reg* type; the others were removed from PostgreSQL."""
        return self.type.lstrip("_").startswith("reg")


@database_rule(REMOVED_TYPE, REG_TYPE)
def special_columns(context: DatabaseContext) -> Iterator[Finding]:
    """No column has a type that the target no longer knows; tells which columns hold names of catalog objects."""
    rows = [
        row for row in context.rows("validation_special_columns", ColumnRow) if context.takes(row.schema, row.table)
    ]
    removed = [row for row in rows if not row.names_objects]
    if context.target.facts.major >= 12:
        yield from capped([_removed(row) for row in removed], REMOVED_TYPE, what="columns")
    named = [row for row in rows if row.names_objects and row.kind in "rpm"]
    if named:
        columns = listed(f"{row.schema}.{row.table}.{row.column} ({row.type})" for row in named)
        yield REG_TYPE.found(
            counted(len(named), "column"),
            saw=f"They hold object ids (reg* types): {columns}.",
            fix="Look whether they hold names of indexes, constraints or other objects created after the rows.",
        )


def _removed(row: ColumnRow) -> Finding:
    new_type = "interval" if row.type == "reltime" else "timestamptz" if row.type == "abstime" else "text"
    template = "ALTER TABLE {} ALTER COLUMN {} TYPE "
    return REMOVED_TYPE.found(
        f"Column {row.schema}.{row.table}.{row.column}",
        saw=f"The column is of type {row.type}.",
        fix="Change its type on the source by the script, or change the view or type that defines it.",
        fix_sql=statement(template, (row.schema, row.table), row.column) + f"{new_type};" if row.kind in "rp" else "",
    )


@database_rule(UNLOGGED, TABLESPACE)
def storage_of_tables(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which tables are unlogged and which tablespaces are left behind."""
    unlogged = [row.label for row in context.tables if row.is_unlogged]
    if unlogged:
        yield UNLOGGED.found(
            counted(len(unlogged), "unlogged table"),
            saw=f"These are {listed(unlogged)}.",
            fix="Run the script on the target after the migration for those whose rows must survive a crash.",
            fix_sql="\n".join(
                statement("ALTER TABLE {} SET LOGGED;", row.qualified) for row in context.tables if row.is_unlogged
            ),
            script_use=ScriptUse.AFTER,
        )
    by_space: dict[str, list[str]] = defaultdict(list)
    for row in context.relations:
        if row.tablespace:
            by_space[row.tablespace].append(row.label)
    if context.facts.tablespace not in (None, "pg_default"):
        by_space[context.facts.tablespace or ""].insert(0, f"the database {context.database.source_name}")
    for space, names in sorted(by_space.items()):
        yield TABLESPACE.found(
            f"Tablespace {space}",
            saw=f"It holds {listed(names)}.",
            fix="Nothing has to be done; to place them on certain disks, move them on the target after the migration.",
        )


@dataclass(frozen=True)
class IndexRow:
    """A row of queries/validation_invalid_indexes.sql."""

    schema: str
    table: str
    index: str


@database_rule(INVALID_INDEX)
def invalid_indexes(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which indexes are invalid and therefore not copied."""
    findings = [
        INVALID_INDEX.found(
            f"Index {row.schema}.{row.index}",
            saw=f"The index on {row.schema}.{row.table} is invalid and will not be on the target.",
            fix="Rebuild it on the source if it is wanted, or drop it, by the script.",
            fix_sql=statement("DROP INDEX {};", (row.schema, row.index)),
            script_use=ScriptUse.CHOICE,
        )
        for row in context.rows("validation_invalid_indexes", IndexRow)
        if context.takes(row.schema, row.table)
    ]
    yield from capped(findings, INVALID_INDEX, what="indexes")
