"""Sequences: definition and position of each, and that the next value is still free in the column it fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice

from migrations_app.engine.events import CheckResult
from migrations_app.engine.postgres import Connection, errors, qualified, sql
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.scope import Scope
from migrations_app.engine.verification.verdicts import Verdicts

BATCH = 200
SequenceName = tuple[str, str]


@dataclass(frozen=True)
class SequenceState:
    """One sequence. ``owner`` is (schema, table, column) of the column it belongs to."""

    data_type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    owner: tuple[str, str, str] | None
    last_value: int
    is_called: bool

    @property
    def next_value(self) -> int:
        """The value that nextval returns next, if the sequence is not at its end."""
        return self.last_value + self.increment if self.is_called else self.last_value

    def __str__(self) -> str:
        """``last value 41, called``, for people."""
        return f"last value {self.last_value}, {'called' if self.is_called else 'not called yet'}"


def read_sequences(connection: Connection, *, scope: Scope) -> dict[SequenceName, SequenceState]:
    """Return every sequence in scope by (schema, name). Raises psycopg errors."""
    definitions = [row for row in connection.execute(query("sequences")) if _is_taken(row[0], row[1], row[10], scope)]
    positions = _read_positions(connection, [(row[0], row[1]) for row in definitions])
    found = {}
    for schema, name, data_type, start, increment, low, high, cache, cycle, *owner in definitions:
        found[schema, name] = SequenceState(
            data_type,
            start,
            increment,
            low,
            high,
            cache,
            cycle,
            tuple(owner) if owner[2] else None,
            *positions[schema, name],
        )
    return found


def _is_taken(schema: str, name: str, owner_table: str | None, scope: Scope) -> bool:
    return scope.takes(schema=schema, relation=owner_table)


def _read_positions(connection: Connection, names: Sequence[SequenceName]) -> dict[SequenceName, tuple[int, bool]]:
    found: dict[SequenceName, tuple[int, bool]] = {}
    remaining = iter(names)
    while batch := list(islice(remaining, BATCH)):
        selects = [
            sql.SQL("SELECT {}, {}, last_value, is_called FROM {}").format(
                sql.Literal(schema), sql.Literal(name), qualified(schema, name)
            )
            for schema, name in batch
        ]
        rows = connection.execute(sql.SQL(" UNION ALL ").join(selects)).fetchall()
        found.update({(row[0], row[1]): (row[2], row[3]) for row in rows})
    return found


def verify_sequences(
    source: Connection,
    target: Connection,
    *,
    scope: Scope,
    verdicts: Verdicts,
    expected: Mapping[SequenceName, SequenceState] | None = None,
) -> None:
    """Report each sequence. ``expected`` is what the source had when it was copied; without it, what it has now."""
    wanted = read_sequences(source, scope=scope) if expected is None else expected
    present = read_sequences(target, scope=scope)
    for name in sorted(wanted.keys() | present.keys()):
        _verify_one(name, wanted.get(name), present.get(name), source=source, target=target, verdicts=verdicts)


def _verify_one(
    name: SequenceName,
    wanted: SequenceState | None,
    present: SequenceState | None,
    *,
    source: Connection,
    target: Connection,
    verdicts: Verdicts,
) -> None:
    label = ".".join(name)
    if wanted is None or present is None:
        detail = "missing on the target" if present is None else "only on the target"
        verdicts.add(
            "sequence", label, CheckResult.DIFFERENT, source=wanted or "none", target=present or "none", detail=detail
        )
        return
    problems = [*_differences(wanted, present), *_used_value(wanted, present, source=source, target=target)]
    result = CheckResult.DIFFERENT if problems else CheckResult.IDENTICAL
    verdicts.add("sequence", label, result, source=wanted, target=present, detail="; ".join(problems))


def _differences(wanted: SequenceState, present: SequenceState) -> Iterator[str]:
    for field in fields(wanted):
        before, after = getattr(wanted, field.name), getattr(present, field.name)
        if before != after:
            yield f"{field.name.replace('_', ' ')}: {_words(before)} on the source, {_words(after)} on the target"
    if wanted.last_value != present.last_value:
        yield "if the source was written to since the copy, that explains the different value"


def _words(value: object) -> str:
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _used_value(
    wanted: SequenceState, present: SequenceState, *, source: Connection, target: Connection
) -> Iterator[str]:
    """The next value must be beyond the column's values, unless it is not so on the source either."""
    if present.owner is None:
        return
    extreme = _extreme(target, present)
    if extreme is None or not _collides(present, extreme):
        return
    on_source = _extreme(source, wanted) if wanted.owner else None
    if on_source is None or not _collides(wanted, on_source):
        column = ".".join(present.owner)
        yield f"the next value, {present.next_value}, may be in use: {column} goes up to {extreme} on the target"


def _collides(state: SequenceState, extreme: int) -> bool:
    return state.next_value <= extreme if state.increment > 0 else state.next_value >= extreme


def _extreme(connection: Connection, state: SequenceState) -> int | None:
    """Return the column's last value in the sequence's direction; None without rows or when it holds no integers."""
    if state.owner is None:
        return None
    schema, table, column = state.owner
    statement = sql.SQL("SELECT {}({})::bigint FROM {}").format(
        sql.SQL("max" if state.increment > 0 else "min"), sql.Identifier(column), qualified(schema, table)
    )
    try:
        with connection.transaction():
            row = connection.execute(statement).fetchone()
    except (
        errors.UndefinedFunction,
        errors.CannotCoerce,
        errors.InvalidTextRepresentation,
        errors.NumericValueOutOfRange,
    ):
        return None
    return None if row is None or row[0] is None else int(row[0])
