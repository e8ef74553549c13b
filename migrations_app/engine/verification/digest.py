"""Digest of a table or of a range of it: the number of its rows and a sum of their hashes.

The sum does not depend on the order of the rows, so ranges add up and parallel query may be used; no row leaves the
server. Run it inside the transaction whose snapshot is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.events import CheckResult
from migrations_app.engine.plan import PartKind, PartPlan
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.verification.columns import Column
from migrations_app.engine.verification.digest_method import DigestMethod, HashFunction, hash_of
from migrations_app.engine.verification.row_text import row_text, unprovable

MODULUS = 2**64


@dataclass(frozen=True)
class TableDigest:
    """``rows`` counted and the 64-bit sum of their hashes in hex (None: only counted); ranges add up with ``+``.

    ``unprovable_columns`` are not in the hash: their values have no form that is the same on both servers.
    """

    rows: int
    hash: str | None
    method: str
    unprovable_columns: tuple[str, ...] = ()

    def __add__(self, other: TableDigest) -> TableDigest:
        """Return the digest of two ranges that do not overlap, of one table and by one method."""
        if (self.method, self.unprovable_columns) != (other.method, other.unprovable_columns):
            raise ValueError(f"digests of different methods do not add up: {self.method}, {other.method}")
        total = None
        if self.hash is not None and other.hash is not None:
            total = _as_hex(int(self.hash, 16) + int(other.hash, 16))
        return TableDigest(self.rows + other.rows, total, self.method, self.unprovable_columns)

    def __str__(self) -> str:
        """``1,204 rows, hash 88f2…``, for people."""
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        return rows if self.hash is None else f"{rows}, hash {self.hash}"


@dataclass(frozen=True)
class Piece:
    """What one digest is made of: a table, or one part of it, under an extension's filter if there is one."""

    schema: str
    table: str
    columns: Sequence[Column]
    part: PartPlan | None = None
    condition: str = ""


def empty_digest(columns: Sequence[Column], *, method: DigestMethod) -> TableDigest:
    """Return the digest of no rows: where a sum starts, and what an empty table has."""
    return _digest(0, 0, columns=columns, method=method)


def hash_table(
    connection: Connection,
    *,
    schema: str,
    table: str,
    columns: Sequence[Column],
    method: DigestMethod,
    part: PartPlan | None = None,
    condition: str = "",
) -> TableDigest:
    """Digest the rows of exactly this table (not of its children), or of one part of it.

    ``columns`` are all columns of the source, generated ones too (``read_columns``), the same for both sides.
    ``condition`` is an extension's filter, with or without its WHERE. Raises psycopg errors.
    """
    piece = Piece(schema, table, columns, part, condition)
    return hash_pieces(connection, [piece], method=method)[0]


def hash_pieces(connection: Connection, pieces: Sequence[Piece], *, method: DigestMethod) -> list[TableDigest]:
    """Digest several tables or ranges in one round trip; made for many small ones. Raises psycopg errors.

    The alias of each table keeps its own name from being read as a missing column of that name.
    """
    selects = [
        sql.SQL('SELECT {}, count(*), {} FROM ONLY {} AS "pgmig row"{}').format(
            sql.Literal(number),
            _hash_sum(piece.columns, method),
            qualified(piece.schema, piece.table),
            where(part=piece.part, condition=piece.condition),
        )
        for number, piece in enumerate(pieces)
    ]
    found = {row[0]: row for row in connection.execute(sql.SQL(" UNION ALL ").join(selects))}
    return [
        _digest(int(found[number][1]), int(found[number][2]), columns=piece.columns, method=method)
        for number, piece in enumerate(pieces)
    ]


def _hash_sum(columns: Sequence[Column], method: DigestMethod) -> sql.Composable:
    if method.function is HashFunction.NONE:
        return sql.SQL("0::numeric")
    return sql.SQL("coalesce(sum({}), 0)").format(hash_of(row_text(columns, method=method), method=method))


def where(*, part: PartPlan | None, condition: str = "") -> sql.Composed:
    """Return the WHERE clause for a part and an extension's filter; empty for a whole table."""
    terms = _bounds(part)
    stripped = condition.strip()
    if stripped[:5].upper() == "WHERE":
        stripped = stripped[5:]
    if stripped:
        terms.append(sql.SQL("({})").format(_trusted(stripped)))
    if not terms:
        return sql.Composed([])
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(terms))


def compare_digest(*, source: TableDigest, target: TableDigest) -> tuple[CheckResult, str]:
    """Return the result and, where it is not identical, the reason in words."""
    if source.rows != target.rows:
        return CheckResult.DIFFERENT, _count_difference(source.rows, target.rows)
    if source.method != target.method:
        return CheckResult.COULD_NOT_VERIFY, f"hashed by {source.method} and by {target.method}, not comparable"
    if source.hash != target.hash:
        return CheckResult.DIFFERENT, "the same number of rows, but not the same rows"
    if source.unprovable_columns:
        names = ", ".join(source.unprovable_columns)
        return CheckResult.COULD_NOT_VERIFY, (
            f"columns not compared: {names}; the two versions print their values differently; all others are identical"
        )
    return CheckResult.IDENTICAL, ""


def _count_difference(source_rows: int, target_rows: int) -> str:
    number = abs(source_rows - target_rows)
    rows = "1 row is" if number == 1 else f"{number:,} rows are"
    return f"{rows} {'missing' if target_rows < source_rows else 'too many'} on the target"


def _bounds(part: PartPlan | None) -> list[sql.Composable]:
    if part is None or part.kind is PartKind.WHOLE:
        return []
    is_ctid = part.kind is PartKind.CTID
    column = sql.SQL("ctid") if is_ctid else sql.Identifier(part.key_column)
    bounds = ((sql.SQL(">="), part.lower), (sql.SQL("<"), part.upper))
    return [
        sql.SQL("{} {} {}").format(column, operator, _tid(bound) if is_ctid else sql.Literal(bound))
        for operator, bound in bounds
        if bound is not None
    ]


def _tid(block: int) -> sql.Composed:
    return sql.SQL("{}::tid").format(sql.Literal(f"({block},0)"))


def _trusted(condition: str) -> sql.SQL:
    """The condition comes from pg_extension.extcondition, which only an extension's script can write."""
    return sql.SQL(condition)


def _digest(rows: int, total: int, *, columns: Sequence[Column], method: DigestMethod) -> TableDigest:
    if method.function is HashFunction.NONE:
        return TableDigest(rows, None, method.label)
    return TableDigest(rows, _as_hex(total), method.label, unprovable(columns, method=method))


def _as_hex(total: int) -> str:
    return f"{total % MODULUS:016x}"
