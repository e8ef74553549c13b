"""What the subscriber's table looks like to changes that arrive for it: its columns, and how to find a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from migrations_app.engine.errors import StatementRefused
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.pgoutput import Relation, SentType

BUILT_IN_BELOW = 10000  # OIDs of types that are the same on every server; above, initdb gives them: transam.h


FORMAT_TYPE = "SELECT pg_catalog.format_type(%s::int8::oid, %s)"


class ApplyRefused(StatementRefused):
    """A change cannot be applied; trying again does not help until somebody did something."""


class DoesNotFit(ApplyRefused):
    """The definition of the publisher's table is not that of the subscriber's: somebody changed it on one side.

    ``stop_before`` is the end of the first transaction whose rows have this definition, ``oid`` the publisher's table.
    """

    stop_before: int = 0
    oid: int = 0


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
    modifier: int = -1
    base_name: str = ""
    demanded: bool = False


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
    """Return the subscriber's side of ``relation``. Raises ``DoesNotFit``."""
    try:
        return _look_up(connection, relation)
    except DoesNotFit as error:
        error.stop_before, error.oid = relation.first_lsn, relation.oid
        raise


def _look_up(connection: Connection, relation: Relation) -> SubscriberTable:
    tables = fetch(connection, "apply_table", _Table, schema=relation.schema, name=relation.name)
    if not tables:
        raise DoesNotFit(
            f"The table {relation.label} is published, but the database that receives the changes has no such table.",
            hint="Create it there as it is on the publisher, or take it out of the publication; then continue.",
        )
    known = {column.name: column for column in fetch(connection, "apply_columns", Column, oid=tables[0].oid)}
    columns = tuple(_column(relation, known, name) for name in relation.columns)
    _require_same_types(connection, relation, columns)
    _require_nothing_more(relation, known)
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
        raise DoesNotFit(
            f"The column {name} of {relation.label} is published, but the table that receives the changes lacks it.",
            hint=f"Add the column {name} to {relation.label} there as it is on the publisher, then continue.",
        )
    if column.generated:
        raise DoesNotFit(
            f"The column {name} of {relation.label} is published with its values, but where the changes arrive it is "
            "generated and takes none.",
            hint="Set publish_generated_columns to none on the publication, or make it a plain column there.",
        )
    return column


def _require_same_types(connection: Connection, relation: Relation, columns: Sequence[Column]) -> None:
    """A value that is read as another type may be rounded or cut without an error."""
    for column, sent in zip(columns, relation.types, strict=False):
        if _is_same(column, sent):
            continue
        words = sent.name or connection.execute(FORMAT_TYPE, (sent.oid, sent.modifier)).fetchone()
        type_ = words if isinstance(words, str) else words[0] if words else "another type"
        raise DoesNotFit(
            f"The column {column.name} of {relation.label} is {type_} on the publisher, and has another type where the "
            "changes arrive.",
            hint=f"Give the column {column.name} of {relation.label} the publisher's type there, then continue.",
        )


def _is_same(column: Column, sent: SentType) -> bool:
    """Types that are not built in have other OIDs on another server; of a domain the base type is named."""
    if sent.oid < BUILT_IN_BELOW:
        return (column.type_oid, column.modifier) == (sent.oid, sent.modifier)
    return not sent.name or (column.base_name, column.modifier) == (sent.name, sent.modifier)


def _require_nothing_more(relation: Relation, known: dict[str, Column]) -> None:
    for column in known.values():
        if column.demanded and column.name not in relation.columns:
            raise DoesNotFit(
                f"The column {column.name} of {relation.label} is not published (any more), and where the changes "
                "arrive no row may be without it.",
                hint=f"Drop the column {column.name} of {relation.label} there, or give it a default, then continue.",
            )


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
