"""Compare the columns of one table on both sides, and write the ALTER TABLE that makes them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrations_app.engine.postgres import qualified, sql
from migrations_app.engine.replication.difference import Difference, TableName, typed, written

SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}
# Every value of the one is the same value of the other, and none is refused or changed while nobody has noticed.
WIDER = {("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint")}


@dataclass(frozen=True)
class Column:
    """A row of queries/follow_columns.sql. ``missing``: what rows have that are older than the column, as text.

    ``follows_dropped``: a column just before it was dropped at some time.
    """

    schema: str
    table: str
    name: str
    type: str
    is_not_null: bool
    default: str
    identity: str
    generated: str
    missing: str | None
    follows_dropped: bool

    @property
    def is_demanded(self) -> bool:
        """True where a row that comes without it is refused."""
        return self.is_not_null and not (self.default or self.identity or self.generated)

    @property
    def is_filled(self) -> bool:
        """True where the source gave a value to rows that it had already, which cannot be told from outside."""
        return self.missing is None and not self.generated and bool(self.default or self.identity)

    @property
    def serial(self) -> str:
        """The word that makes the column with a sequence of its own, empty where it is no such column.

        https://www.postgresql.org/docs/18/datatype-numeric.html#DATATYPE-SERIAL
        """
        is_own = self.default.startswith("nextval(") and f"{self.table}_{self.name}_seq" in self.default
        return SERIAL.get(self.type, "") if is_own else ""


@dataclass
class _Told:
    """What was seen of one table so far."""

    name: TableName
    words: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    is_harmful: bool = False
    destroys: bool = False
    is_again: bool = False

    def alter(self, template: str, *parts: sql.Composable) -> None:
        """Add one ALTER TABLE."""
        self.statements.append(written("ALTER TABLE {} " + template + ";", qualified(*self.name), *parts))


def compare_columns(name: TableName, one: Sequence[Column], other: Sequence[Column]) -> Difference | None:
    """Compare what ``one``, the source, has with the ``other`` side; None where both are alike."""
    told = _Told(name)
    renamed = _renamed(one, other)
    for before, after in renamed.items():
        told.words.append(f"column {before} is now {after}")
        told.alter("RENAME COLUMN {} TO {}", sql.Identifier(before), sql.Identifier(after))
        told.is_harmful = True
    known = {renamed.get(column.name, column.name): column for column in other}
    wanted = {column.name: column for column in one}
    for column in one:
        if column.name in known:
            _compare(told, column, known[column.name])
        else:
            _added(told, column, is_last_swapped=_is_swapped(one, other, column))
    for column in known.values():
        if renamed.get(column.name, column.name) not in wanted:
            _dropped(told, column)
            # One that is gone beside one that is new may be the same one, with another name and all its values.
            told.is_again = told.is_again or any(each.name not in known for each in one)
    if not told.words:
        return None
    label = ".".join(name)
    words = "; ".join(told.words)
    return Difference(
        f"table {label}",
        f"{words}.",
        tuple(told.statements),
        is_harmful=told.is_harmful,
        destroys=told.destroys,
        again=(name,) if told.is_again else (),
    )


def _renamed(one: Sequence[Column], other: Sequence[Column]) -> dict[str, str]:
    """Columns that kept place and type and changed their names; one that may as well be a new one is not taken."""
    if len(one) != len(other):
        return {}
    old, new = {column.name for column in other}, {column.name for column in one}
    pairs = [
        (after, before)
        for before, after in zip(one, other, strict=True)
        if before.name not in old and after.name not in new and before.type == after.type
    ]
    stay = all(a.name == b.name or (b, a) in pairs for a, b in zip(one, other, strict=True))
    if not stay or any(before.follows_dropped and before is one[-1] for _, before in pairs):
        return {}
    return {after.name: before.name for after, before in pairs}


def _is_swapped(one: Sequence[Column], other: Sequence[Column], column: Column) -> bool:
    """Tell whether the last column may have been renamed, or dropped and made anew."""
    return len(one) == len(other) and column is one[-1] and column.follows_dropped and column.type == other[-1].type


def _added(told: _Told, column: Column, *, is_last_swapped: bool) -> None:
    told.words.append(f"column {column.name} ({column.type}) is new")
    told.is_harmful = told.is_harmful or not column.generated
    told.is_again = told.is_again or column.is_filled or is_last_swapped
    identifier, type_ = sql.Identifier(column.name), typed(column.type)
    if column.generated:
        how = "STORED" if column.generated == "s" else "VIRTUAL"
        told.alter("ADD COLUMN {} {} GENERATED ALWAYS AS ({}) {}", identifier, type_, typed(column.default), typed(how))
    elif column.identity:
        told.alter("ADD COLUMN {} {} GENERATED {} AS IDENTITY", identifier, type_, typed(_kind_of_identity(column)))
    elif column.missing is not None:
        told.alter("ADD COLUMN {} {} DEFAULT {}", identifier, type_, sql.Literal(column.missing))
        told.alter("ALTER COLUMN {} " + _default_of(column), identifier, *_default_parts(column))
        if column.is_not_null:
            told.alter("ALTER COLUMN {} SET NOT NULL", identifier)
    elif column.serial:
        told.alter("ADD COLUMN {} {}", identifier, typed(column.serial))
        if not column.is_not_null:
            told.alter("ALTER COLUMN {} DROP NOT NULL", identifier)
    elif column.is_filled:  # with other values, and copied again
        end = typed(" NOT NULL" * column.is_not_null)
        told.alter("ADD COLUMN {} {} DEFAULT {}{}", identifier, type_, typed(column.default), end)
    else:
        told.alter("ADD COLUMN {} {}", identifier, type_)
        if column.default:
            told.alter("ALTER COLUMN {} SET DEFAULT {}", identifier, typed(column.default))


def _dropped(told: _Told, column: Column) -> None:
    demanded = ", and where the changes arrive no row may be without it" if column.is_demanded else ""
    told.words.append(f"column {column.name} is gone{demanded}")
    told.is_harmful = told.is_harmful or column.is_demanded
    told.destroys = True
    told.alter("DROP COLUMN {}", sql.Identifier(column.name))


def _compare(told: _Told, one: Column, other: Column) -> None:
    identifier = sql.Identifier(one.name)
    if one.type != other.type:
        told.words.append(f"column {one.name} is now {one.type}, and {other.type} where the changes arrive")
        told.is_harmful = True
        told.is_again = told.is_again or (other.type, one.type) not in WIDER
        using = typed(one.type)
        told.alter("ALTER COLUMN {} TYPE {} USING {}::{}", identifier, using, identifier, using)
    if one.identity != other.identity:
        _identity(told, one, other)
    elif not one.identity and not one.generated and not other.generated and bool(one.default) != bool(other.default):
        told.words.append(f"the default of column {one.name} changed")
        told.alter("ALTER COLUMN {} " + _default_of(one), identifier, *_default_parts(one))
    if one.is_not_null != other.is_not_null:
        told.words.append(
            f"column {one.name} {'takes no NULL' if one.is_not_null else 'takes NULL'} any more"
            if one.is_not_null
            else f"column {one.name} takes NULL now"
        )
        told.is_harmful = told.is_harmful or not one.is_not_null
        told.alter("ALTER COLUMN {} " + ("SET" if one.is_not_null else "DROP") + " NOT NULL", identifier)


def _identity(told: _Told, one: Column, other: Column) -> None:
    identifier = sql.Identifier(one.name)
    told.words.append(f"column {one.name} is {'an' if one.identity else 'no'} identity column now")
    if not one.identity:
        told.alter("ALTER COLUMN {} DROP IDENTITY", identifier)
    elif other.identity:
        told.alter("ALTER COLUMN {} SET GENERATED {}", identifier, typed(_kind_of_identity(one)))
    else:
        told.alter("ALTER COLUMN {} ADD GENERATED {} AS IDENTITY", identifier, typed(_kind_of_identity(one)))


def _kind_of_identity(column: Column) -> str:
    return "ALWAYS" if column.identity == "a" else "BY DEFAULT"


def _default_of(column: Column) -> str:
    return "SET DEFAULT {}" if column.default else "DROP DEFAULT"


def _default_parts(column: Column) -> tuple[sql.Composable, ...]:
    return (typed(column.default),) if column.default else ()
