"""Hash the target's tables in parallel and compare them with the source's digests."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from migrations_app.engine.control import Control
from migrations_app.engine.crew import Crew
from migrations_app.engine.events import CheckResult
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.postgres import Connection, Error, Server, errors
from migrations_app.engine.verification.columns import Column, TableName, read_columns
from migrations_app.engine.verification.context import Verification
from migrations_app.engine.verification.differences import find_differing_rows
from migrations_app.engine.verification.digest import TableDigest, compare_digest, hash_table
from migrations_app.engine.verification.digest_method import choose_method, read_traits
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.verdicts import server_words

RANGE_BLOCKS = 32768
MISSING = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)


@dataclass(frozen=True)
class _Range:
    """A piece of work: one range of one table of the target."""

    table: TablePlan
    part: PartPlan | None
    blocks: int


@dataclass
class _Outcome:
    """What is known about one table so far."""

    ranges_left: int
    digest: TableDigest | None = None
    error: Error | None = None


def verify_tables(
    verification: Verification, *, tables: Sequence[TablePlan], source_digests: Mapping[TableName, TableDigest]
) -> None:
    """Report each table; one that differs is narrowed down to its rows. Raises ``ConnectionLost``."""
    with verification.source.connected(verification.database.source_name, purpose="verify") as source:
        columns = read_columns(source)
    with verification.target.connected(verification.database.target_name, purpose="verify", read_only=True) as target:
        work = _ranges(target, tables)
    comparison = _Comparison(verification, columns=columns, source_digests=source_digests, work=work)
    with verification.control.child() as control, Crew(control) as crew:
        for number in range(min(verification.jobs, len(work))):
            crew.start(f"verify-{number}", partial(comparison.hash_ranges, control, number))
    comparison.explain_differences()


class _Comparison:
    """Hands out ranges to threads, adds them up, and compares each table as soon as its last range is there."""

    def __init__(
        self,
        verification: Verification,
        *,
        columns: Mapping[TableName, tuple[Column, ...]],
        source_digests: Mapping[TableName, TableDigest],
        work: Sequence[_Range],
    ) -> None:
        self._verification = verification
        self._columns = columns
        self._source_digests = source_digests
        self._work = iter(work)
        self._lock = threading.Lock()
        self._outcomes = {_name(table): _Outcome(count) for table, count in Counter(w.table for w in work).items()}
        self._different: list[tuple[TablePlan, TableDigest, TableDigest, str]] = []

    def hash_ranges(self, control: Control, number: int) -> None:
        """Work of one thread: hash ranges until none is left."""
        target = Server(self._verification.target.endpoint, tag=self._verification.target.tag, control=control)
        database = self._verification.database.target_name
        with target.connected(database, purpose=f"verify{number}", read_only=True) as connection:
            while (piece := self._next()) is not None:
                control.check()
                self._hash(connection, piece, control=control)

    def _next(self) -> _Range | None:
        with self._lock:
            return next(self._work, None)

    def _hash(self, connection: Connection, piece: _Range, *, control: Control) -> None:
        result: TableDigest | Error
        try:
            result = hash_table(
                connection,
                schema=piece.table.schema,
                table=piece.table.name,
                columns=self._columns.get(_name(piece.table), ()),
                method=self._verification.method,
                part=piece.part,
                condition=piece.table.condition,
            )
        except Error as error:
            control.check()
            if connection.closed:
                raise
            result = error
        self._add(piece.table, result)

    def _add(self, table: TablePlan, result: TableDigest | Error) -> None:
        with self._lock:
            outcome = self._outcomes[_name(table)]
            outcome.ranges_left -= 1
            if isinstance(result, Error):
                outcome.error = result
            else:
                outcome.digest = result if outcome.digest is None else outcome.digest + result
            finished = outcome.ranges_left == 0
        if finished:
            self._compare(table, outcome)

    def _compare(self, table: TablePlan, outcome: _Outcome) -> None:
        verdicts, source = self._verification.verdicts, self._source_digests.get(_name(table))
        if isinstance(outcome.error, MISSING):
            verdicts.add(
                "table", table.label, CheckResult.DIFFERENT, source=source or "", detail=server_words(outcome.error)
            )
        elif outcome.error is not None or outcome.digest is None:
            verdicts.could_not("table", table.label, because=outcome.error, source=source or "")
        elif source is None:
            verdicts.could_not("table", table.label, because="the source's rows were not hashed during the copy")
        else:
            result, detail = compare_digest(source=source, target=outcome.digest)
            if result is CheckResult.DIFFERENT:
                with self._lock:
                    self._different.append((table, source, outcome.digest, detail))
            else:
                verdicts.add("table", table.label, result, source=source, target=outcome.digest, detail=detail)

    def explain_differences(self) -> None:
        """Report the tables that differ, each with the rows that do."""
        for table, source, target, detail in self._different:
            self._verification.control.check()
            rows = self._differing_rows(table)
            self._verification.verdicts.add(
                "table", table.label, CheckResult.DIFFERENT, source=source, target=target, detail=f"{detail}. {rows}"
            )

    def _differing_rows(self, table: TablePlan) -> str:
        one, other = self._verification.source, self._verification.target
        try:
            with (
                one.connected(self._verification.database.source_name, purpose="differences") as source,
                other.connected(
                    self._verification.database.target_name, purpose="differences", read_only=True
                ) as target,
            ):
                differences = find_differing_rows(
                    source,
                    target,
                    schema=table.schema,
                    table=table.name,
                    columns=self._columns.get(_name(table), ()),
                    method=choose_method(source=read_traits(source), target=read_traits(target)),
                    condition=table.condition,
                )
        except Error as error:
            self._verification.control.check()
            return f"The rows could not be listed: {server_words(error)}"
        return str(differences)


def _name(table: TablePlan) -> TableName:
    return table.schema, table.name


def _ranges(target: Connection, tables: Sequence[TablePlan]) -> list[_Range]:
    """Return the work, the largest ranges first; before version 14 a range of blocks would read the whole table."""
    blocks = {(row[0], row[1]): int(row[2]) for row in target.execute(query("table_sizes"))}
    can_split = target.info.server_version >= 140000
    work: list[_Range] = []
    for table in tables:
        size = blocks.get((table.schema, table.name), 0)
        work += _split(table, size) if can_split else [_Range(table, None, size)]
    return sorted(work, key=lambda piece: piece.blocks, reverse=True)


def _split(table: TablePlan, blocks: int) -> list[_Range]:
    starts = list(range(0, blocks, RANGE_BLOCKS))
    if len(starts) < 2:
        return [_Range(table, None, blocks)]
    return [
        _Range(
            table,
            PartPlan(number, PartKind.CTID, start or None, start + RANGE_BLOCKS if start != starts[-1] else None),
            RANGE_BLOCKS,
        )
        for number, start in enumerate(starts)
    ]
