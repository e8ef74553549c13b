"""Write batches to the subscriber: their net effect where that goes, else change by change; the position with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.postgres.apply_session import ApplySession, SmallStatement, StatementOfMany, TextArray
from migrations_app.engine.replication import apply_statements, copy_text
from migrations_app.engine.replication.batch import Batch, Tally
from migrations_app.engine.replication.coalesce import (
    ImageChanges,
    Key,
    KeyedChanges,
    OutOfOrder,
    TableChanges,
    sections,
)
from migrations_app.engine.replication.pgoutput import (
    DELETE,
    INSERT,
    TRUNCATE,
    UNCHANGED,
    UPDATE,
    Change,
    FlatChanges,
    Relation,
    Row,
    Truncation,
    unpacked,
)
from migrations_app.engine.replication.position import Position, Reached
from migrations_app.engine.replication.refusals import TRUNCATE_HINT, missing_row, refused, told
from migrations_app.engine.replication.single_statements import SingleStatements
from migrations_app.engine.replication.subscriber_table import DoesNotFit, SubscriberTable, look_up

ROWS_FOR_COPY = 64
ROWS_FOR_IMAGES = 3
NO_SEARCH_BY_HASH = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off"
SESSION = (
    "SET synchronous_commit = on",
    "SET xmloption = content",
    "SET jit = off",
    "SET plan_cache_mode = force_generic_plan",
)
VERSIONS = {"SET jit = off": 110000, "SET plan_cache_mode = force_generic_plan": 120000}


class _Mismatch(Exception):
    """Another number of rows was touched than there were changes."""


class Applier:
    """Applies the changes of one slot over one session. Used by one thread.

    ``check`` raises the reason to stop while a server is waited for. ``passes_over``: OIDs of tables of the publisher
    whose changes are left out where they do not fit. ``silent``: triggers and foreign keys do not act
    on what we write.
    """

    def __init__(
        self,
        connection: Connection,
        reached: Reached,
        *,
        position: Position,
        encoding: str,
        codec: str,
        check: Callable[[], None],
        passes_over: frozenset[int] = frozenset(),
    ) -> None:
        self._passes_over = passes_over
        self._unfit: dict[Relation, bool] = {}
        self.reached = reached
        self._connection = connection
        self._session = ApplySession(connection, encoding=encoding, check=check)
        self._position = position
        self._codec = codec
        self._tables: dict[Relation, SubscriberTable] = {}
        self._singles: dict[Relation, SingleStatements] = {}
        self._statements: dict[object, bytes] = {}
        self._tally = Tally()
        self._open = False
        self.silent = self._silence()
        self._set_up()

    def _silence(self) -> bool:
        """Let triggers, rules and foreign keys sleep, as they did their work on the publisher; False where refused."""
        try:
            self._connection.execute("SET session_replication_role = replica")
        except Error as error:
            if error.sqlstate != "42501":
                raise
            return False
        return True

    def _set_up(self) -> None:
        for statement in SESSION:
            if self._connection.info.server_version >= VERSIONS.get(statement, 0):
                self._connection.execute(sql.SQL(statement))
        for statement in NO_SEARCH_BY_HASH.split("; "):
            self._connection.execute(sql.SQL(statement))

    def apply(self, batch: Batch) -> bool:
        """Apply a batch, and commit it where it ends with a transaction; tell whether that was so.

        Raises ``ApplyRefused`` with the row, ``LeaseLost``, or an error of the connection. Nothing is committed then.
        """
        if not self._open:
            self._connection.execute("BEGIN")
            self._open = True
        if changes := self._that_fit(batch.changes):
            self._apply(changes)
        self._tally.count(batch)
        if not batch.end_lsn:
            return False
        self._position.move(self._connection, lsn=batch.end_lsn, tally=self._tally)
        self._connection.execute("COMMIT")
        self._open = False
        self.reached = Reached(batch.end_lsn, self.reached.tally.plus(self._tally))
        self._tally = Tally()
        return True

    def _that_fit(self, changes: FlatChanges) -> FlatChanges:
        """Leave out the changes of tables that are copied again and had another definition in between."""
        if not self._passes_over:
            return changes
        kept: FlatChanges = []
        for kind, relation, old, new in unpacked(changes):
            if kind == TRUNCATE:
                relations = tuple(each for each in new.relations if not self._is_passed_over(each))
                if relations:
                    kept += (kind, relations[0], old, Truncation(relations, new.options))
            elif not self._is_passed_over(relation):
                kept += (kind, relation, old, new)
        return kept

    def _is_passed_over(self, relation: Relation) -> bool:
        if relation.oid not in self._passes_over:
            return False
        if relation not in self._unfit:
            try:
                self._table(relation)
            except DoesNotFit:
                self._unfit[relation] = True
            else:
                self._unfit[relation] = False
        return self._unfit[relation]

    def _apply(self, changes: FlatChanges) -> None:
        """Apply the net effect; where that meets a conflict, change by change, if need be of one table only."""
        self._or_else("batch", lambda: self._apply_sections(changes), lambda: self._apply_with_conflict(changes))

    def _or_else(self, savepoint: str, work: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Do ``work``; if rows are in its way undo it and do ``otherwise``."""
        self._connection.execute(f"SAVEPOINT {savepoint}".encode())
        try:
            work()
        except (OutOfOrder, _Mismatch, Error) as error:
            if isinstance(error, Error) and (self._connection.broken or not _is_of_rows(error)):
                raise
            self._connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}".encode())
            otherwise()
        self._connection.execute(f"RELEASE SAVEPOINT {savepoint}".encode())

    def _apply_sections(self, changes: FlatChanges) -> None:
        for section in sections(unpacked(changes), self._table):
            if isinstance(section, Truncation):
                self._truncate(section)
            else:
                for table_changes in section:
                    self._apply_table(table_changes)

    def _apply_with_conflict(self, changes: FlatChanges) -> None:
        """While triggers and foreign keys are silent, tables do not touch each other: only some need be done singly."""
        if self.silent:
            self._or_else("again", lambda: self._apply_by_table(changes), lambda: self._apply_all_singly(changes))
        else:
            self._apply_all_singly(changes)

    def _apply_all_singly(self, changes: FlatChanges) -> None:
        self._apply_in_order(unpacked(changes))

    def _apply_by_table(self, changes: FlatChanges) -> None:
        truncations = 0
        for section in sections(unpacked(changes), self._table):
            if isinstance(section, Truncation):
                self._truncate(section)
                truncations += 1
                continue
            for table_changes in section:
                self._or_else(
                    "one",
                    partial(self._apply_table, table_changes),
                    partial(self._apply_singly, changes, table_changes.table, truncations),
                )

    def _apply_singly(self, changes: FlatChanges, table: SubscriberTable, truncations: int) -> None:
        """Apply the changes of one table that came after so many truncations, and before the next, in their order."""
        self._apply_in_order(_of_table(unpacked(changes), partial(self._is_of, table), after=truncations))

    def _is_of(self, table: SubscriberTable, relation: Relation) -> bool:
        return self._table(relation) is table

    def _table(self, relation: Relation) -> SubscriberTable:
        found = self._tables.get(relation)
        if found is None:
            found = self._tables[relation] = look_up(self._connection, relation)
        return found

    def _statement(self, kind: str, table: SubscriberTable, sent: Sequence[int] = ()) -> bytes:
        key = (kind, table.relation, tuple(sent))
        if key not in self._statements:
            write = getattr(apply_statements, kind)
            text: sql.Composed = write(table, sent) if sent else write(table)
            self._statements[key] = text.as_bytes(self._connection)
        return self._statements[key]

    def _apply_table(self, changes: TableChanges) -> None:
        for segment in changes.segments:
            if isinstance(segment, KeyedChanges):
                self._apply_keyed(changes.table, segment)
            elif isinstance(segment, ImageChanges):
                self._apply_images(changes.table, segment)
            else:
                self._apply_in_order(unpacked(segment.changes))

    def _apply_keyed(self, table: SubscriberTable, changes: KeyedChanges) -> None:
        if not table.takes_arrays:
            updates = [(None, row) for row in changes.updates.values()]
            self._apply_in_order(_as_changes(table, list(changes.deletes.values()), updates))
            self._insert(table, list(changes.inserts.values()))
            return
        if changes.deletes:
            count = self._session.run(self._statement("delete_keys", table), _key_arrays(table, list(changes.deletes)))
            self._expect(count, len(changes.deletes), exactly=self.silent)
        if changes.updates:
            self._update_keyed(table, changes)
        self._insert(table, list(changes.inserts.values()))

    def _update_keyed(self, table: SubscriberTable, changes: KeyedChanges) -> None:
        everything = tuple(range(len(table.columns)))
        groups: dict[tuple[int, ...], dict[Key, Row]] = {}
        if changes.partial:
            for key, row in changes.updates.items():
                sent = everything
                if UNCHANGED in row:
                    sent = tuple(index for index in everything if row[index] is not UNCHANGED)
                groups.setdefault(sent, {})[key] = row
        else:
            groups[everything] = changes.updates
        for sent, rows in groups.items():
            self._update_group(table, sent, rows)

    def _update_group(self, table: SubscriberTable, sent: tuple[int, ...], rows: dict[Key, Row]) -> None:
        arrays = _key_arrays(table, list(rows))
        values = list(rows.values())
        order = apply_statements.set_columns(table, sent) + apply_statements.checked_columns(table, sent)
        arrays += [TextArray([row[index] for row in values]) for index in order]
        self._expect(self._session.run(self._statement("update_rows", table, sent), arrays), len(rows), exactly=True)

    def _expect(self, count: int, expected: int, *, exactly: bool) -> None:
        if count != expected and (exactly or count > expected):
            raise _Mismatch

    def _insert(self, table: SubscriberTable, rows: list[Row]) -> None:
        if not rows:
            return
        if not table.columns:
            self._apply_in_order([(INSERT, table.relation, None, row) for row in rows])
            return
        if len(rows) >= ROWS_FOR_COPY or not table.takes_arrays:
            self._session.copy_in(apply_statements.copy_rows(table), copy_text.blocks(rows))
            return
        arrays = [TextArray([row[index] for row in rows]) for index in range(len(table.columns))]
        self._session.run(self._statement("insert_rows", table), arrays)

    def _apply_images(self, table: SubscriberTable, changes: ImageChanges) -> None:
        deletes, updates = changes.deletes, changes.updates
        if deletes or updates:
            if len(deletes) + len(updates) < ROWS_FOR_IMAGES or table.always_identities or not table.takes_arrays:
                self._apply_in_order(_as_changes(table, deletes, updates))
            else:
                self._apply_image_sets(table, deletes, updates)
        self._insert(table, changes.inserts)

    def _apply_image_sets(self, table: SubscriberTable, deletes: list[Row], updates: list[tuple[Row, Row]]) -> None:
        self._connection.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on")
        if deletes:
            arrays = _columns(deletes)
            count = self._session.run(self._statement("delete_images", table), arrays)
            self._expect(count, len(deletes), exactly=self.silent)
        if updates:
            arrays = [*_columns([before for before, _ in updates]), *_columns([after for _, after in updates])]
            count = self._session.run(self._statement("update_images", table), arrays)
            self._expect(count, len(updates), exactly=True)
        self._connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_seqscan = off")

    def _truncate(self, truncation: Truncation) -> None:
        tables = [self._table(relation) for relation in truncation.relations]
        try:
            self._session.simple(apply_statements.truncate(truncation, tables))
        except Error as error:
            if self._connection.broken:
                raise
            names = ", ".join(relation.label for relation in truncation.relations)
            what = f"The tables {names} were truncated together, which is refused where the changes arrive"
            raise refused(error, what, hint=TRUNCATE_HINT) from error

    def _apply_in_order(self, changes: Iterable[Change]) -> None:
        """Apply change by change; what fails is told with its row."""
        run: list[tuple[Change, SmallStatement]] = []
        for change in changes:
            if change[0] == TRUNCATE:
                self._run_in_order(run)
                run = []
                self._truncate(change[3])
            else:
                run.append((change, self._single(change[1]).of(change)))
        self._run_in_order(run)

    def _single(self, relation: Relation) -> SingleStatements:
        found = self._singles.get(relation)
        if found is None:
            found = self._singles[relation] = SingleStatements(self._table(relation), self._connection)
        return found

    def _run_in_order(self, run: Sequence[tuple[Change, SmallStatement]]) -> None:
        try:
            counts = self._session.run_many([statement for _, statement in run])
        except StatementOfMany as failure:
            if self._connection.broken or not _is_of_rows(failure.error):
                raise failure.error from failure
            change = run[failure.index][0]
            what = told(change, self._table(change[1]), codec=self._codec)
            raise refused(failure.error, what) from failure.error
        for (change, _), count in zip(run, counts, strict=True):
            if count != 1 and change[0] != INSERT and (self.silent or change[0] != DELETE):
                raise missing_row(change, self._table(change[1]), count=count, codec=self._codec)


def _is_of_rows(error: Error) -> bool:
    """Tell whether an error may come from what was written, and not from the state of the server or the session."""
    return (error.sqlstate or "")[:2] not in ("", "08", "25", "40", "53", "55", "57", "58", "XX", "PM")


def _of_table(changes: Iterable[Change], is_wanted: Callable[[Relation], bool], *, after: int) -> Iterator[Change]:
    seen = 0
    for change in changes:
        if change[0] == TRUNCATE:
            seen += 1
        elif seen == after and is_wanted(change[1]):
            yield change


def _key_arrays(table: SubscriberTable, keys: list[Key]) -> list[TextArray]:
    if len(table.key) == 1:
        return [TextArray(keys)]
    return [TextArray(column) for column in zip(*keys, strict=True)]


def _columns(rows: Sequence[Row]) -> list[TextArray]:
    return [TextArray(column) for column in zip(*rows, strict=True)]


def _as_changes(
    table: SubscriberTable, deletes: Sequence[Row], updates: Sequence[tuple[Row | None, Row]]
) -> list[Change]:
    relation = table.relation
    gone: list[Change] = [(DELETE, relation, row, None) for row in deletes]
    return [*gone, *((UPDATE, relation, before, after) for before, after in updates)]
