"""Write rows in the text form of COPY; most rows need no escaping, which is found out for many at once.

https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS. All encodings of servers keep ASCII bytes for
ASCII characters alone, so bytes can be looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrations_app.engine.replication.pgoutput import Row

ROWS_PER_BLOCK = 1000
_NULL = b"\\N"


def blocks(rows: Sequence[Row]) -> Iterator[bytes]:
    """Yield the rows in blocks, each of whole lines."""
    for begin in range(0, len(rows), ROWS_PER_BLOCK):
        yield _block(rows[begin : begin + ROWS_PER_BLOCK])


def _block(rows: Sequence[Row]) -> bytes:
    """Join the rows as they are; where a value held a special character, the numbers of those do not come out."""
    nulls = 0
    lines = []
    for row in rows:
        if None in row:
            nulls += row.count(None)
            row = tuple([_NULL if value is None else value for value in row])
        lines.append(b"\t".join(row))
    lines.append(b"")
    block = b"\n".join(lines)
    plain = (
        block.count(b"\n") == len(rows)
        and block.count(b"\t") == len(rows) * (len(rows[0]) - 1)
        and block.count(b"\\") == nulls
        and b"\r" not in block
    )
    return block if plain else b"".join([_escaped(row) for row in rows])


def _escaped(row: Row) -> bytes:
    return b"\t".join([_NULL if value is None else _value(value) for value in row]) + b"\n"


def _value(value: bytes) -> bytes:
    if b"\\" in value:
        value = value.replace(b"\\", b"\\\\")
    if b"\n" in value:
        value = value.replace(b"\n", b"\\n")
    if b"\t" in value:
        value = value.replace(b"\t", b"\\t")
    return value.replace(b"\r", b"\\r") if b"\r" in value else value
