"""Rules about numbers that run out: sequences near their end and integer keys near that of their type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped, statement

NEARLY_USED_UP = 0.8
# Reading a sequence's value locks it until the statement has ended; a batch must leave the lock table to others.
MAX_BATCH = 1_000
SHARE_OF_LOCK_TABLE = 0.25

SEQUENCE_ENDS = code(
    "PM2050",
    Level.WARNING,
    "Sequence is near its end",
    why="At its end nextval fails, and with it every INSERT that takes a number from it. The move does not change "
    "that.",
    side=FindingSide.SOURCE,
)
KEY_OVERFLOWS = code(
    "PM2051",
    Level.WARNING,
    "Integer key is near the end of its type",
    why="The next number beyond the type's range is refused with: integer out of range. To widen the column rewrites "
    "its table, which is cheapest just before or after a migration.",
    side=FindingSide.TARGET,
)


@dataclass(frozen=True)
class OidRow:
    """A row of queries/validation_sequence_oids.sql."""

    oid: int


@dataclass(frozen=True)
class CounterRow:
    """A row of queries/validation_sequence_values.sql; the column is None where no integer column is fed."""

    schema: str
    name: str
    type: str
    last: int
    bound: int
    table_schema: str | None
    table_name: str | None
    column_name: str | None
    column_type: str | None
    column_max: int | None
    used: float
    column_used: float | None

    @property
    def is_of_a_key(self) -> bool:
        """Tell whether the column that it feeds comes to the end of its type."""
        return self.column_used is not None and self.column_used > NEARLY_USED_UP


@database_rule(SEQUENCE_ENDS, KEY_OVERFLOWS)
def counters(context: DatabaseContext) -> Iterator[Finding]:
    """No sequence has used 80 % of its numbers, and no smallint or integer key that one feeds 80 % of its type."""
    rows = [row for row in _near_their_end(context) if context.takes(row.schema, row.name)]
    keys = [row for row in rows if row.is_of_a_key]
    others = [row for row in rows if not row.is_of_a_key]
    yield from capped([_key(row) for row in keys], KEY_OVERFLOWS, what="columns")
    yield from capped([_sequence(row) for row in others], SEQUENCE_ENDS, what="sequences")


def _near_their_end(context: DatabaseContext) -> Iterator[CounterRow]:
    oids = iter([row.oid for row in context.rows("validation_sequence_oids", OidRow)])
    size = max(1, min(MAX_BATCH, int(context.source.facts.settings.lock_slots * SHARE_OF_LOCK_TABLE)))
    while batch := list(islice(oids, size)):
        yield from context.rows("validation_sequence_values", CounterRow, oids=batch, share=NEARLY_USED_UP)


def _sequence(row: CounterRow) -> Finding:
    return SEQUENCE_ENDS.found(
        f"Sequence {row.schema}.{row.name}",
        saw=f"Its last value is {row.last:,} of {row.bound:,} ({row.used:.0%}). How fast it grows is not known.",
        fix="Run the script on the source before the migration, or on the target after it; a sequence that shall begin "
        "anew can be given CYCLE or RESTART instead."
        if row.type != "bigint"
        else "It is a bigint already: see whether its MAXVALUE can be raised by the script.",
        fix_sql=_widen(row),
    )


def _widen(row: CounterRow) -> str:
    if row.type == "bigint":
        return statement("ALTER SEQUENCE {} NO MAXVALUE;", (row.schema, row.name))
    return statement("ALTER SEQUENCE {} AS bigint;", (row.schema, row.name))


def _key(row: CounterRow) -> Finding:
    table = row.table_schema or "", row.table_name or ""
    column = row.column_name or ""
    return KEY_OVERFLOWS.found(
        f"Column {row.table_schema}.{row.table_name}.{column}",
        saw=f"It is of type {row.column_type}, which ends at {row.column_max:,}; its sequence {row.schema}.{row.name} "
        f"has come to {row.last:,} ({row.column_used or 0:.0%}). How fast it grows is not known.",
        fix="Run the script on the target after the migration, while nobody works there: it rewrites the table and its "
        "indexes. Columns that refer to it must be widened too, and the application must know 64-bit numbers.",
        fix_sql=statement("ALTER TABLE {} ALTER COLUMN {} TYPE bigint;", table, column)
        + "\n"
        + statement("ALTER SEQUENCE {} AS bigint;", (row.schema, row.name)),
        script_use=ScriptUse.AFTER,
    )
