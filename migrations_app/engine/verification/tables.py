"""Hash the target's tables in parallel and compare them with the source's digests."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from operator import add

from migrations_app.engine.control import Control
from migrations_app.engine.crew import Crew
from migrations_app.engine.events import CheckResult
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.postgres import Connection, Error, Server, errors
from migrations_app.engine.verification.columns import Column, TableName, read_columns
from migrations_app.engine.verification.context import Verification
from migrations_app.engine.verification.differences import find_differing_rows
from migrations_app.engine.verification.digest import Piece, TableDigest, compare_digest, hash_pieces
from migrations_app.engine.verification.digest_method import DigestMethod, choose_method, read_traits
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.unproved import Unproved
from migrations_app.engine.verification.verdicts import server_words

RANGE_BLOCKS = 32768
SMALL_BLOCKS = 128
SMALL_TABLES_AT_ONCE = 50
TABLES_SEARCHED = 50
MISSING = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)


@dataclass(frozen=True)
class _Range:
    """One range of one table of the target."""

    table: TablePlan
    part: PartPlan | None
    blocks: int


_Task = list[_Range]  # hashed in one round trip


@dataclass
class _Outcome:
    """What is known about one table so far."""

    ranges_left: int
    digest: TableDigest | None = None
    error: Error | None = None


def verify_tables(
    verification: Verification, *, tables: Sequence[TablePlan], source_digests: Mapping[TableName, TableDigest]
) -> Unproved:
    """Report each table; one that differs is narrowed down to its rows. Raises ``ConnectionLost``.

    Returns the tables that were not found identical.
    """
    with verification.source.connected(verification.database.source_name, purpose="verify") as source:
        columns = read_columns(source)
    with verification.target.connected(verification.database.target_name, purpose="verify", read_only=True) as target:
        work = _tasks(_ranges(target, tables))
    comparison = _Comparison(verification, columns=columns, source_digests=source_digests, work=work)
    with verification.control.child() as control, Crew(control) as crew:
        for number in range(min(verification.jobs, len(work))):
            crew.start(f"verify-{number}", partial(comparison.hash_ranges, control, number))
    comparison.explain_differences()
    return comparison.unproved()


class _Comparison:
    """Hands out ranges to threads, adds them up, and compares each table as soon as its last range is there."""

    def __init__(
        self,
        verification: Verification,
        *,
        columns: Mapping[TableName, tuple[Column, ...]],
        source_digests: Mapping[TableName, TableDigest],
        work: Sequence[_Task],
    ) -> None:
        self._verification = verification
        self._columns = columns
        self._source_digests = source_digests
        self._tables = _by_destination(piece.table for task in work for piece in task)
        self._work = iter(work)
        self._lock = threading.Lock()
        ranges = Counter(piece.table.destination for task in work for piece in task)
        self._outcomes = {name: _Outcome(count) for name, count in ranges.items()}
        self._different: list[tuple[TablePlan, TableDigest, TableDigest, str]] = []
        self._unproved: list[TableName] = []
        self._broken: list[TableName] = []

    def unproved(self) -> Unproved:
        """Return the tables that were not found identical so far."""
        return Unproved(tables=tuple(self._unproved), broken=tuple(self._broken))

    def hash_ranges(self, control: Control, number: int) -> None:
        """Work of one thread: hash ranges until none is left."""
        target = Server(self._verification.target.endpoint, tag=self._verification.target.tag, control=control)
        database = self._verification.database.target_name
        with target.connected(database, purpose=f"verify{number}", read_only=True) as connection:
            while (task := self._next()) is not None:
                control.check()
                self._hash(connection, task, control=control)

    def _next(self) -> _Task | None:
        with self._lock:
            return next(self._work, None)

    def _hash(self, connection: Connection, task: _Task, *, control: Control) -> None:
        """Hash the ranges of a task; if the server refuses one of several, each is asked for alone."""
        try:
            digests = hash_pieces(connection, [self._piece(part) for part in task], method=self._verification.method)
        except Error as error:
            control.check()
            if connection.closed:
                raise
            if len(task) == 1:
                self._add(task[0].table, error)
            else:
                for part in task:
                    self._hash(connection, [part], control=control)
            return
        for part, digest in zip(task, digests, strict=True):
            self._add(part.table, digest)

    def _piece(self, found: _Range) -> Piece:
        table = found.table
        return Piece(table.schema, table.name, self._columns.get(table.destination, ()), found.part, table.condition)

    def _add(self, table: TablePlan, result: TableDigest | Error) -> None:
        with self._lock:
            outcome = self._outcomes[table.destination]
            outcome.ranges_left -= 1
            if isinstance(result, Error):
                outcome.error = result
            else:
                outcome.digest = result if outcome.digest is None else outcome.digest + result
            finished = outcome.ranges_left == 0
        if finished:
            tables = self._tables[table.destination]
            source = _sum([self._source_digests.get(each.full_name) for each in tables])
            for each in tables:
                self._compare(each, outcome, source=source)

    def _compare(self, table: TablePlan, outcome: _Outcome, *, source: TableDigest | None) -> None:
        verdicts = self._verification.verdicts
        if isinstance(outcome.error, MISSING):
            self._remember(self._broken, table)
            verdicts.add(
                "table", table.label, CheckResult.DIFFERENT, source=source or "", detail=server_words(outcome.error)
            )
        elif outcome.error is not None or outcome.digest is None:
            self._remember(self._unproved, table)
            verdicts.could_not("table", table.label, because=outcome.error, source=source or "")
        elif source is None:
            self._remember(self._unproved, table)
            verdicts.could_not("table", table.label, because="the source's rows were not hashed during the copy")
        else:
            result, detail = compare_digest(source=source, target=outcome.digest)
            if result is not CheckResult.IDENTICAL:
                self._remember(self._unproved, table)
            if result is CheckResult.DIFFERENT:
                with self._lock:
                    self._different.append((table, source, outcome.digest, detail))
            else:
                detail = "; ".join(filter(None, [detail, _together(table)]))
                verdicts.add("table", table.label, result, source=source, target=outcome.digest, detail=detail)

    def _remember(self, names: list[TableName], table: TablePlan) -> None:
        with self._lock:
            names.append(table.full_name)

    def explain_differences(self) -> None:
        """Report the tables that differ, the first of them with the rows that do."""
        if not self._different:
            return
        database, verification = self._verification.database, self._verification
        with (
            verification.source.connected(database.source_name, purpose="differences") as source,
            verification.target.connected(database.target_name, purpose="differences", read_only=True) as target,
        ):
            method = choose_method(source=read_traits(source), target=read_traits(target))
            for number, (table, before, after, detail) in enumerate(self._different):
                verification.control.check()
                rows = "Its rows were not searched: many tables differ"
                if number < TABLES_SEARCHED:
                    rows = self._differing_rows(source, target, table, method=method)
                verification.verdicts.add(
                    "table", table.label, CheckResult.DIFFERENT, source=before, target=after, detail=f"{detail}. {rows}"
                )

    def _differing_rows(self, source: Connection, target: Connection, table: TablePlan, *, method: DigestMethod) -> str:
        if table.tree is not None:
            return f"Its rows were not searched: {_together(table)}"
        try:
            differences = find_differing_rows(
                source,
                target,
                schema=table.schema,
                table=table.name,
                columns=self._columns.get(table.destination, ()),
                method=method,
                condition=table.condition,
            )
        except Error as error:
            self._verification.control.check()
            if source.closed or target.closed:
                raise
            return f"The rows could not be listed: {server_words(error)}"
        return str(differences)


def _by_destination(tables: Iterable[TablePlan]) -> dict[TableName, list[TablePlan]]:
    found: dict[TableName, list[TablePlan]] = {}
    for table in dict.fromkeys(tables):
        found.setdefault(table.destination, []).append(table)
    return found


def _sum(digests: Sequence[TableDigest | None]) -> TableDigest | None:
    known = [digest for digest in digests if digest is not None]
    return reduce(add, known) if len(known) == len(digests) else None


def _together(table: TablePlan) -> str:
    """An enum's hash is another one on each server, and so is the partition to which a row belongs."""
    return f"compared as one with all partitions of {'.'.join(table.tree)}" if table.tree else ""


def _ranges(target: Connection, tables: Sequence[TablePlan]) -> list[_Range]:
    """Return the work, the largest ranges first; before version 14 a range of blocks would read the whole table."""
    sizes = {(row[0], row[1]): (int(row[2]), int(row[3])) for row in target.execute(query("table_sizes"))}
    can_split = target.info.server_version >= 140000
    work: list[_Range] = []
    for table in tables:
        heap, total = sizes.get(table.full_name, (0, 0))
        work += _split(table, heap=heap, total=total) if can_split else [_Range(table, None, total)]
    return sorted(work, key=lambda piece: piece.blocks, reverse=True)


def _tasks(ranges: Sequence[_Range]) -> list[_Task]:
    """Return one task for each range, and one for many small tables: a round trip costs more than such a table."""
    small = [piece for piece in ranges if piece.blocks <= SMALL_BLOCKS]
    batches = [small[start : start + SMALL_TABLES_AT_ONCE] for start in range(0, len(small), SMALL_TABLES_AT_ONCE)]
    return [*([piece] for piece in ranges if piece.blocks > SMALL_BLOCKS), *batches]


def _split(table: TablePlan, *, heap: int, total: int) -> list[_Range]:
    """Return ranges of about equal work: values in TOAST are far from the blocks of their rows, but count."""
    number = min(heap, math.ceil(total / RANGE_BLOCKS))
    if number < 2:
        return [_Range(table, None, total)]
    bounds = [None, *(heap * cut // number for cut in range(1, number)), None]
    return [
        _Range(table, PartPlan(count, PartKind.CTID, low, high), total // number)
        for count, (low, high) in enumerate(pairwise(bounds))
    ]
