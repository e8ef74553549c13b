"""Narrow a table that differs down to its rows: buckets first, then the rows of the buckets that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.verification.columns import Column
from migrations_app.engine.verification.digest import where
from migrations_app.engine.verification.digest_method import DigestMethod, hash_of
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.row_text import row_text, unprovable

SHOWN_KEYS = 100
SHOWN_KEY_CHARACTERS = 200
ROWS_PER_BUCKET = 1000
MOST_BUCKETS = 65536
MOST_ROWS_EXAMINED = 1_000_000
FETCH_ROWS = 5000

Bucket = tuple[int, int]  # rows, sum of hashes
HashedRow = tuple[int, int, str]  # hash of the key, hash of the row, key in words


@dataclass(frozen=True)
class Differences:
    """What differs between two copies of a table.

    ``missing``, ``extra`` and ``changed`` count rows of the target; the keys are at most 100 of each kind. Without a
    key a changed row is counted as one missing and one extra. ``complete`` is False when so many rows differ that only
    a part was examined; the counts are then lower bounds.
    """

    key_columns: tuple[str, ...]
    missing: int
    extra: int
    changed: int
    missing_keys: tuple[str, ...]
    extra_keys: tuple[str, ...]
    changed_keys: tuple[str, ...]
    complete: bool

    @property
    def any(self) -> bool:
        """False when the tables are equal now."""
        return bool(self.missing or self.extra or self.changed)

    def __str__(self) -> str:
        """What differs, for people."""
        if not self.any:
            return "No row differs from the source as it is now, so the source was changed since the copy"
        kinds = (
            ("missing on the target", self.missing, self.missing_keys),
            ("only on the target", self.extra, self.extra_keys),
            ("changed", self.changed, self.changed_keys),
        )
        least = "" if self.complete else "at least "
        key = f"key ({', '.join(self.key_columns)})" if self.key_columns else "no key; rows are shown by their values"
        parts = [f"{least}{count:,} {kind}: {'; '.join(keys)}" for kind, count, keys in kinds if count]
        return f"{'. '.join(parts)} [{key}]. Rows written on the source since the copy are among them"


@dataclass(frozen=True)
class _Table:
    """How to read one side of the comparison."""

    schema: str
    name: str
    key: tuple[Column, ...]
    columns: Sequence[Column]
    method: DigestMethod
    condition: str

    @property
    def key_hash(self) -> sql.Composed:
        return hash_of(row_text(self.key or self.columns, method=self.method), method=self.method)

    @property
    def row_hash(self) -> sql.Composed:
        return hash_of(row_text(self.columns, method=self.method), method=self.method)

    @property
    def key_words(self) -> sql.Composed:
        shown = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.key or self.columns)
        return sql.SQL("left(ROW({})::text, {})").format(shown, sql.Literal(SHOWN_KEY_CHARACTERS))

    @property
    def rows(self) -> sql.Composed:
        return sql.SQL('ONLY {} AS "pgmig row"{}').format(
            qualified(self.schema, self.name), where(part=None, condition=self.condition)
        )


def find_differing_rows(
    source: Connection,
    target: Connection,
    *,
    schema: str,
    table: str,
    columns: Sequence[Column],
    method: DigestMethod,
    condition: str = "",
) -> Differences:
    """Compare a table row by row in bounded memory; only rows of differing buckets leave the servers.

    ``columns`` and ``method`` are those of the digest (the method must hash). The source is read as it is now, not
    as it was in the copy's snapshot. Raises psycopg errors.
    """
    key = _key(source, schema, table, columns=columns, method=method)
    read = _Table(schema, table, key, columns, method, condition)
    with source.transaction(), target.transaction():
        buckets = _bucket_count(source, read)
        differing, complete = _differing_buckets(
            _read_buckets(source, read, buckets=buckets), _read_buckets(target, read, buckets=buckets)
        )
        with (
            _hashed_rows(source, read, buckets=buckets, wanted=differing) as before,
            _hashed_rows(target, read, buckets=buckets, wanted=differing) as after,
        ):
            return _compare(before, after, key=key, complete=complete)


def _key(
    source: Connection, schema: str, table: str, *, columns: Sequence[Column], method: DigestMethod
) -> tuple[Column, ...]:
    row = source.execute(query("row_key"), {"schema": schema, "table": table}).fetchone()
    key = tuple(column for name in (row[0] if row else ()) for column in columns if column.name == name)
    return () if unprovable(key, method=method) else key


def _bucket_count(source: Connection, table: _Table) -> int:
    row = source.execute(sql.SQL("SELECT count(*) FROM {}").format(table.rows)).fetchone()
    rows = int(row[0]) if row else 0
    return min(MOST_BUCKETS, max(1, rows // ROWS_PER_BUCKET))


def _bucket(table: _Table, buckets: int) -> sql.Composed:
    return sql.SQL("abs({} % {})").format(table.key_hash, sql.Literal(buckets))


def _read_buckets(connection: Connection, table: _Table, *, buckets: int) -> dict[int, Bucket]:
    statement = sql.SQL("SELECT {}, count(*), sum({})::numeric % 18446744073709551616 FROM {} GROUP BY 1").format(
        _bucket(table, buckets), table.row_hash, table.rows
    )
    return {row[0]: (row[1], int(row[2])) for row in connection.execute(statement)}


def _differing_buckets(before: dict[int, Bucket], after: dict[int, Bucket]) -> tuple[list[int], bool]:
    """Return the buckets to look into, and whether these are all that differ."""
    chosen: list[int] = []
    rows = 0
    for number in sorted(before.keys() | after.keys()):
        if before.get(number) == after.get(number):
            continue
        if rows >= MOST_ROWS_EXAMINED:
            return chosen, False
        chosen.append(number)
        rows += before.get(number, (0, 0))[0] + after.get(number, (0, 0))[0]
    return chosen, True


@contextmanager
def _hashed_rows(
    connection: Connection, table: _Table, *, buckets: int, wanted: list[int]
) -> Iterator[Iterator[HashedRow]]:
    """Stream the rows of the wanted buckets, ordered by the hash of their keys."""
    statement = sql.SQL(
        "SELECT * FROM (SELECT {} AS key_hash, {} AS row_hash, {} AS words, {} AS bucket FROM {}) AS hashed"
        " WHERE bucket = ANY({}) ORDER BY key_hash, row_hash"
    ).format(
        table.key_hash,
        table.row_hash,
        table.key_words,
        _bucket(table, buckets),
        table.rows,
        sql.SQL("{}::bigint[]").format(sql.Literal(wanted)),
    )
    with connection.cursor(name="differences") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(statement)
        yield ((row[0], row[1], row[2]) for row in cursor)


def _compare(
    before: Iterator[HashedRow], after: Iterator[HashedRow], *, key: tuple[Column, ...], complete: bool
) -> Differences:
    missing, extra, changed = _Found(), _Found(), _Found()
    for one, other in _side_by_side(before, after):
        one, other = _without_equal(one, other)
        pairs = min(len(one), len(other)) if key else 0
        for row in one[:pairs]:
            changed.add(row)
        for row in one[pairs:]:
            missing.add(row)
        for row in other[pairs:]:
            extra.add(row)
    return Differences(
        tuple(column.name for column in key),
        missing.count,
        extra.count,
        changed.count,
        tuple(missing.keys),
        tuple(extra.keys),
        tuple(changed.keys),
        complete,
    )


class _Found:
    """Counts rows and keeps the keys of the first."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: list[str] = []

    def add(self, row: HashedRow) -> None:
        self.count += 1
        if len(self.keys) < SHOWN_KEYS:
            self.keys.append(row[2])


def _side_by_side(
    before: Iterator[HashedRow], after: Iterator[HashedRow]
) -> Iterator[tuple[list[HashedRow], list[HashedRow]]]:
    """Merge two streams that are ordered by key hash: the rows of one key hash on both sides at a time."""
    left, right = (groupby(stream, key=lambda row: row[0]) for stream in (before, after))
    one, other = _next_group(left), _next_group(right)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one[1] if one else [], []
            one = _next_group(left)
        elif one is None or other[0] < one[0]:
            yield [], other[1]
            other = _next_group(right)
        else:
            yield one[1], other[1]
            one, other = _next_group(left), _next_group(right)


def _next_group(groups: Iterator[tuple[int, Iterator[HashedRow]]]) -> tuple[int, list[HashedRow]] | None:
    for key_hash, rows in groups:
        return key_hash, list(rows)
    return None


def _without_equal(one: list[HashedRow], other: list[HashedRow]) -> tuple[list[HashedRow], list[HashedRow]]:
    """Take away the rows that both sides have, each as often as both have it."""
    common = Counter(row[1] for row in one) & Counter(row[1] for row in other)
    return list(_beyond(one, Counter(common))), list(_beyond(other, common))


def _beyond(rows: list[HashedRow], common: Counter[int]) -> Iterator[HashedRow]:
    for row in rows:
        if common[row[1]]:
            common[row[1]] -= 1
        else:
            yield row
