"""Sequences: definition and position of each, and that the next value is still free in the column it fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, TypeVar

from migrations_app.engine.events import CheckResult
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.scope import Scope
from migrations_app.engine.verification.verdicts import Verdicts

BATCH = 200
SequenceName = tuple[str, str]
Item = TypeVar("Item")


@dataclass(frozen=True)
class SequenceState:
    """One sequence. ``owned_by`` is (schema, table, column); ``fills_numbers`` tells that this column holds numbers."""

    data_type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    owned_by: tuple[str, str, str] | None
    last_value: int
    is_called: bool
    fills_numbers: bool

    @property
    def next_value(self) -> int:
        """The value that nextval returns next, if the sequence is not at its end."""
        return self.last_value + self.increment if self.is_called else self.last_value

    def __str__(self) -> str:
        """``last value 41, called``, for people."""
        return f"last value {self.last_value}, {'called' if self.is_called else 'not called yet'}"


def read_sequences(connection: Connection, *, scope: Scope) -> dict[SequenceName, SequenceState]:
    """Return every sequence in scope by (schema, name). Raises psycopg errors."""
    definitions = [row for row in connection.execute(query("sequences")) if _is_taken(row, scope)]
    positions = _read_positions(connection, [(row[0], row[1]) for row in definitions])
    return {(row[0], row[1]): _state(row, *positions[row[0], row[1]], scope=scope) for row in definitions}


def _state(row: tuple[Any, ...], last_value: int, is_called: bool, *, scope: Scope) -> SequenceState:
    """A table that was left out owns nothing on the target, and nothing here."""
    _, _, data_type, start, increment, minimum, maximum, cache, cycle, schema, table, column, fills_numbers, _ = row
    is_owned = column is not None and scope.takes(schema=schema, relation=table)
    owned_by = (schema, table, column) if is_owned else None
    fills_numbers = fills_numbers and is_owned
    return SequenceState(
        data_type, start, increment, minimum, maximum, cache, cycle, owned_by, last_value, is_called, fills_numbers
    )


def _is_taken(row: tuple[Any, ...], scope: Scope) -> bool:
    """A sequence goes with the table that owns it, and with any other whose default uses it: stage.left_out."""
    schema, owner, users = row[0], row[10], row[13]
    if scope.takes(schema=schema, relation=owner):
        return True
    return scope.takes(schema=schema) and any(scope.takes(schema=user[0], relation=user[1]) for user in users)


def _read_positions(connection: Connection, names: Sequence[SequenceName]) -> dict[SequenceName, tuple[int, bool]]:
    found: dict[SequenceName, tuple[int, bool]] = {}
    for batch in _batches(names):
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
    suspects = _colliding(target, present)
    suspects -= _colliding(source, {name: wanted[name] for name in suspects if name in wanted})
    for name in sorted(wanted.keys() | present.keys()):
        _verify_one(name, wanted.get(name), present.get(name), used=name in suspects, verdicts=verdicts)


def _verify_one(
    name: SequenceName, wanted: SequenceState | None, present: SequenceState | None, *, used: bool, verdicts: Verdicts
) -> None:
    label = ".".join(name)
    if wanted is None or present is None:
        detail = "missing on the target" if present is None else "only on the target"
        verdicts.add(
            "sequence", label, CheckResult.DIFFERENT, source=wanted or "none", target=present or "none", detail=detail
        )
        return
    problems = list(_differences(wanted, present))
    if used:
        problems.append(f"its next value, {present.next_value}, is not beyond the values of {_words(present.owned_by)}")
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


def _colliding(connection: Connection, states: Mapping[SequenceName, SequenceState]) -> set[SequenceName]:
    """Return the sequences whose next value is not beyond the values of the column they fill."""
    owned = [(name, state, state.owned_by) for name, state in states.items() if state.owned_by and state.fills_numbers]
    found = set()
    for batch in _batches(owned):
        selects = [
            sql.SQL("SELECT {}, {}({}) FROM {}").format(
                sql.Literal(number),
                sql.SQL("max" if state.increment > 0 else "min"),
                sql.Identifier(owner[2]),
                qualified(owner[0], owner[1]),
            )
            for number, (_, state, owner) in enumerate(batch)
        ]
        for number, last in connection.execute(sql.SQL(" UNION ALL ").join(selects)):
            name, state, _ = batch[number]
            if last is not None and _collides(state, int(last)):
                found.add(name)
    return found


def _collides(state: SequenceState, last: int) -> bool:
    return state.next_value <= last if state.increment > 0 else state.next_value >= last


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
