"""What the subscriber's table looks like to changes that arrive for it: its columns, and how to find a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from migrations_app.engine.errors import StatementRefused
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.pgoutput import Relation


class ApplyRefused(StatementRefused):
    """A change cannot be applied; trying again does not help until somebody did something."""


class Matching(Enum):
    """How the row of an update or a delete is found on the subscriber."""

    KEY = "by the values of its key"
    IMAGE = "by all of its values"
    NONE = "never: the publisher sends inserts only"


@dataclass(frozen=True)
class Column:
    """A row of queries/apply_columns.sql."""

    name: str
    type: str
    type_oid: int
    always_identity: bool
    generated: bool
    by_input: bool


@dataclass(frozen=True)
class _Table:
    """A row of queries/apply_table.sql."""

    oid: int
    kind: str


@dataclass(frozen=True)
class _Key:
    """A row of queries/apply_keys.sql."""

    columns: list[str]
    operator_schemas: list[str]
    operator_names: list[str]

    @property
    def operators(self) -> dict[str, tuple[str, str]]:
        """Column to schema and name of its equality."""
        return dict(zip(self.columns, zip(self.operator_schemas, self.operator_names, strict=True), strict=True))


@dataclass(frozen=True)
class SubscriberTable:
    """The subscriber's side of a relation. ``columns`` are in the relation's order; ``key`` are indexes into them.

    ``operators`` names the equality of each key column, None where the row is compared as text.
    """

    relation: Relation
    kind: str
    columns: tuple[Column, ...]
    matching: Matching
    key: tuple[int, ...] = ()
    operators: tuple[tuple[str, str] | None, ...] = ()

    @property
    def name(self) -> sql.Composed:
        """Schema and name, quoted."""
        return qualified(self.relation.schema, self.relation.name)

    @property
    def exactly(self) -> sql.Composed:
        """The name with ONLY, where that leaves out tables that inherit; not for partitioned tables."""
        return self.name if self.kind == "p" else sql.SQL("ONLY {}").format(self.name)

    @property
    def takes_arrays(self) -> bool:
        """False where a cast of the user's own would read a text otherwise than the type's input does."""
        return all(column.by_input for column in self.columns)

    @property
    def always_identities(self) -> tuple[int, ...]:
        """Columns that an UPDATE may only set to DEFAULT."""
        return tuple(index for index, column in enumerate(self.columns) if column.always_identity)


def look_up(connection: Connection, relation: Relation) -> SubscriberTable:
    """Return the subscriber's side of ``relation``. Raises ``ApplyRefused`` where it does not fit."""
    tables = fetch(connection, "apply_table", _Table, schema=relation.schema, name=relation.name)
    if not tables:
        raise ApplyRefused(
            f"The table {relation.label} is published, but the database that receives the changes has no such table.",
            hint="Create it there as it is on the publisher, or take it out of the publication; then continue.",
        )
    known = {column.name: column for column in fetch(connection, "apply_columns", Column, oid=tables[0].oid)}
    columns = tuple(_column(relation, known, name) for name in relation.columns)
    keys = fetch(connection, "apply_keys", _Key, oid=tables[0].oid)
    matching, key_names, operators = _identity(relation, keys)
    return SubscriberTable(
        relation=relation,
        kind=tables[0].kind,
        columns=columns,
        matching=matching,
        key=tuple(relation.columns.index(name) for name in key_names),
        operators=tuple(operators.get(name) for name in key_names),
    )


def _column(relation: Relation, known: dict[str, Column], name: str) -> Column:
    column = known.get(name)
    if column is None:
        raise ApplyRefused(
            f"The column {name} of {relation.label} is published, but the table that receives the changes lacks it.",
            hint=f"Add the column {name} to {relation.label} there as it is on the publisher, then continue.",
        )
    if column.generated:
        raise ApplyRefused(
            f"The column {name} of {relation.label} is published with its values, but where the changes arrive it is "
            "generated and takes none.",
            hint="Set publish_generated_columns to none on the publication, or make it a plain column there.",
        )
    return column


def _identity(relation: Relation, keys: Sequence[_Key]) -> tuple[Matching, Sequence[str], dict[str, tuple[str, str]]]:
    """Choose the columns by which rows are found: the publisher's key, or where it sends all, a key of our own."""
    if relation.is_full:
        usable = next((key for key in keys if set(key.columns) <= set(relation.columns)), None)
        if usable is None:
            return Matching.IMAGE, (), {}
        return Matching.KEY, usable.columns, usable.operators
    if not relation.key:
        return Matching.NONE, (), {}
    names = [relation.columns[index] for index in relation.key]
    same = next((key for key in keys if set(key.columns) == set(names)), None)
    return Matching.KEY, names, same.operators if same else {}
