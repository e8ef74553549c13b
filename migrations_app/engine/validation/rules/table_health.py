"""Rules about the state of tables: unchecked constraints, bloat, statistics, and very many of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.wording import counted, listed, size, statement

MAX_FIXES = 1_000
PAGE_BYTES = 8192
LARGE_TABLE_PAGES = 10 * 1024**2 // PAGE_BYTES
BLOAT_SHARE = 0.3
BLOAT_BYTES = 100 * 1024**2
MANY_RELATIONS = 10_000
MANY_DATABASES = 100

NOT_VALIDATED = code(
    "PM2052",
    Level.INFO,
    "Constraints that were never validated",
    why="They were added NOT VALID: older rows may break them. They are copied NOT VALID, so such rows arrive as they "
    "are.",
    side=FindingSide.SOURCE,
)
BLOAT = code(
    "PM2053",
    Level.INFO,
    "Tables hold much empty space",
    why="Only rows are copied: the target will be smaller than the source, and the copy shorter than the sizes "
    "suggest.",
    side=FindingSide.SOURCE,
)
STATISTICS = code(
    "PM2054",
    Level.INFO,
    "Statistics are missing or old",
    why="Numbers of rows, progress and time left are estimated from them. The target gets new statistics at the end.",
    side=FindingSide.SOURCE,
)
MANY_OBJECTS = code(
    "PM2055",
    Level.INFO,
    "Very many tables",
    why="Reading and restoring the schema takes about a millisecond or more for each table, sequence and index, beside "
    "the data; and pg_dump holds a lock on every table while it reads.",
    side=FindingSide.NONE,
)
MANY_SMALL_DATABASES = code(
    "PM1083",
    Level.INFO,
    "Very many databases",
    why="Each database costs some seconds for its schema, its snapshot and its verification, however small it is.",
    side=FindingSide.NONE,
)


@dataclass(frozen=True)
class ConstraintRow:
    """A row of queries/validation_unvalidated_constraints.sql."""

    schema: str
    table: str
    name: str


@database_rule(NOT_VALIDATED)
def unvalidated_constraints(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which constraints are NOT VALID."""
    rows = context.rows("validation_unvalidated_constraints", ConstraintRow)
    rows = [row for row in rows if context.takes(row.schema, row.table)]
    if rows:
        yield NOT_VALIDATED.found(
            counted(len(rows), "constraint"),
            saw=f"These are {listed(f'{row.name} of {row.schema}.{row.table}' for row in rows)}.",
            fix="To know now whether rows break them, run the script on the source; it only reads the tables and "
            "marks the constraints." + _limited(len(rows)),
            fix_sql="\n".join(
                statement("ALTER TABLE {} VALIDATE CONSTRAINT {};", (row.schema, row.table), row.name)
                for row in rows[:MAX_FIXES]
            ),
        )


def _limited(count: int) -> str:
    return f" The script holds the first {MAX_FIXES:,} of {count:,}." if count > MAX_FIXES else ""


@dataclass(frozen=True)
class BloatRow:
    """A row of queries/validation_bloat.sql."""

    schema: str
    name: str
    bytes: int
    needed_bytes: int

    @property
    def empty_bytes(self) -> int:
        """What is probably empty."""
        return max(self.bytes - self.needed_bytes, 0)


@database_rule(BLOAT)
def bloat(context: DatabaseContext) -> Iterator[Finding]:
    """Tells how much of the 200 largest tables is empty, estimated from statistics."""
    rows = context.rows("validation_bloat", BloatRow, pages=LARGE_TABLE_PAGES)
    rows = [row for row in rows if context.takes(row.schema, row.name) and row.empty_bytes > BLOAT_SHARE * row.bytes]
    rows.sort(key=lambda row: row.empty_bytes, reverse=True)
    total = sum(row.empty_bytes for row in rows)
    if total >= BLOAT_BYTES:
        yield BLOAT.found(
            counted(len(rows), "table"),
            saw=f"About {size(total)} are empty, as their statistics tell: "
            + listed(f"{row.schema}.{row.name} ({size(row.empty_bytes)} of {size(row.bytes)})" for row in rows)
            + ".",
            fix="Nothing has to be done: the target's tables are written without it.",
        )


@dataclass(frozen=True)
class StatisticsRow:
    """A row of queries/validation_statistics.sql."""

    schema: str
    name: str
    bytes: int
    missing: bool


@database_rule(STATISTICS)
def statistics(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which tables of some size have no statistics, or some that are older than half of their rows."""
    rows = context.rows("validation_statistics", StatisticsRow, pages=LARGE_TABLE_PAGES)
    rows = [row for row in rows if context.takes(row.schema, row.name)]
    if rows:
        missing = sum(row.missing for row in rows)
        yield STATISTICS.found(
            counted(len(rows), "table"),
            saw=f"{missing:,} have none, {len(rows) - missing:,} have old ones: "
            + listed(f"{row.schema}.{row.name} ({size(row.bytes)})" for row in rows)
            + ".",
            fix="Run the script on the source as their owner, for better estimates." + _limited(len(rows)),
            fix_sql="\n".join(statement("ANALYZE {};", (row.schema, row.name)) for row in rows[:MAX_FIXES]),
        )


@database_rule(MANY_OBJECTS)
def many_tables(context: DatabaseContext) -> Iterator[Finding]:
    """Tells when a database has so many tables that its schema takes long."""
    count = len(context.relations)
    if count > MANY_RELATIONS:
        yield MANY_OBJECTS.found(
            context.database.source_name,
            saw=f"{count:,} tables, views and sequences move.",
            fix="Nothing has to be done; expect minutes for the schema. Leave out schemas that nobody needs.",
        )


@server_rule(MANY_SMALL_DATABASES)
def many_databases(context: ServerContext) -> Iterator[Finding]:
    """Tells when so many databases move that their number counts more than their size."""
    count = len(context.spec.databases)
    if count > MANY_DATABASES:
        yield MANY_SMALL_DATABASES.found(
            counted(count, "database"),
            saw=f"{count:,} databases are part of one migration.",
            fix="Nothing has to be done; several migrations, side by side on more workers, end sooner.",
        )
