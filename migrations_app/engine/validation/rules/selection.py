"""Rules about what was left out although something that moves needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.validation.code import Code, code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped

NEEDED_TABLE_EXCLUDED = code(
    "PM2004",
    Level.WARNING,
    "Something that moves refers to an excluded table",
    why="A foreign key, view or policy cannot be created without what it names, and a partition that was left out "
    "takes its rows with it.",
    side=FindingSide.NONE,
)
NEEDED_OBJECT_EXCLUDED = code(
    "PM2005",
    Level.FAILED,
    "Table needs something of an excluded schema",
    why="A table cannot be created without the parent, type, function or sequence that its definition names.",
    side=FindingSide.NONE,
)
WORDS = {
    "foreign key": "Its foreign key {object} refers to",
    "partition": "It is a partition of",
    "inheritance": "It inherits from",
    "view": "The view reads from",
    "default": "A default of it takes numbers from the sequence",
    "type": "It uses the type",
    "function": "It uses the function",
    "policy": "A policy of it calls the function",
}
FATAL = frozenset({"inheritance", "default", "type", "function"})


@dataclass(frozen=True)
class ReferenceRow:
    """A row of queries/validation_references.sql or validation_schema_references.sql."""

    kind: str
    object: str
    schema: str
    name: str
    needed_schema: str
    needed_name: str

    @property
    def label(self) -> str:
        """``schema.name`` of what needs."""
        return f"{self.schema}.{self.name}"

    @property
    def needed(self) -> str:
        """``schema.name`` of what is needed."""
        return f"{self.needed_schema}.{self.needed_name}"


@database_rule(NEEDED_TABLE_EXCLUDED, NEEDED_OBJECT_EXCLUDED)
def excluded_but_needed(context: DatabaseContext) -> Iterator[Finding]:
    """Nothing that moves refers to a table, sequence, type or function that was left out."""
    if context.selection.is_everything:
        return
    references = context.rows("validation_references", ReferenceRow)
    of_schemas = context.rows("validation_schema_references", ReferenceRow)
    rows = [row for row in references if _is_broken(context, row)]
    rows += [row for row in of_schemas if _lacks_schema(context, row)]
    for code_, fatal in ((NEEDED_OBJECT_EXCLUDED, True), (NEEDED_TABLE_EXCLUDED, False)):
        findings = [_finding(context, code_, row) for row in rows if (row.kind in FATAL) is fatal]
        yield from capped(findings, code_, what="references")
    yield from _lost_partitions(context, references)


def _is_broken(context: DatabaseContext, row: ReferenceRow) -> bool:
    if not context.takes(row.schema, row.name):
        return False
    if row.kind == "default":
        return not _takes_schema(context, row.needed_schema)
    return not context.takes(row.needed_schema, row.needed_name)


def _lacks_schema(context: DatabaseContext, row: ReferenceRow) -> bool:
    return context.takes(row.schema, row.name) and not _takes_schema(context, row.needed_schema)


def _takes_schema(context: DatabaseContext, schema: str) -> bool:
    """Tell whether what is no table moves with this schema: a list of tables brings the schemas of its tables."""
    selection = context.selection
    if schema in selection.exclude_schemas:
        return False
    return not selection.chosen_schemas or schema in selection.chosen_schemas


def _finding(context: DatabaseContext, code_: Code, row: ReferenceRow) -> Finding:
    provider = context.source.provider
    what = f"{WORDS[row.kind].format(object=row.object)} {row.needed}"
    if provider.owns_schema(row.needed_schema):
        return code_.found(
            _subject(row),
            saw=f"{what}, which is {provider.name}'s own and is never copied.",
            fix=f"Create the schema {row.needed_schema} with {row.needed} on the target after the migration and add "
            f"this to {row.label} there by hand; or drop on the source what needs it, or leave {row.label} out.",
        )
    return code_.found(
        _subject(row),
        saw=f"{what}, which was left out.",
        fix=f"Take {row.needed} into the selection, or leave {row.label} out too.",
    )


def _subject(row: ReferenceRow) -> str:
    return f"{'View' if row.kind == 'view' else 'Table'} {row.label}"


def _lost_partitions(context: DatabaseContext, references: list[ReferenceRow]) -> Iterator[Finding]:
    rows = [row for row in references if row.kind in ("partition", "inheritance")]
    findings = [
        NEEDED_TABLE_EXCLUDED.found(
            f"Table {row.needed}",
            saw=f"Its {_child(row)} {row.label} was left out; the rows in it do not move.",
            fix=f"Take {row.label} into the selection if its rows are needed.",
        )
        for row in rows
        if context.takes(row.needed_schema, row.needed_name) and not context.takes(row.schema, row.name)
    ]
    yield from capped(findings, NEEDED_TABLE_EXCLUDED, what="partitions")


def _child(row: ReferenceRow) -> str:
    return "partition" if row.kind == "partition" else "child table"
