"""The session that writes changes: arrays of text as parameters, COPY, and many small statements in one go.

Values travel as the publisher's text, and the subscriber's own input functions read them; no OID of the other server is
used.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql
from psycopg.errors import error_from_result

from migrations_app.engine.postgres.connection import Connection

TEXT_ARRAY_OID = 1009  # of text[]; the same on every server
_HEADER = struct.Struct(">iiiii").pack
_LENGTH = struct.Struct(">i").pack
_SHORT = tuple(_LENGTH(length) for length in range(1024))
_NULL = _LENGTH(-1)
_HAS_NULLS, _TEXT_OID, _LOWEST_INDEX = 1, 25, 1
PIPELINE_STATEMENTS = 256
PIPELINE_BYTES = 1024 * 1024


class TextArray:
    """An array of text in the wire's binary form: nothing in it is ever escaped.

    https://www.postgresql.org/docs/18/protocol-overview.html#PROTOCOL-FORMAT-CODES; array_recv() in the server.
    """

    __slots__ = ("wire",)

    def __init__(self, values: Sequence[bytes | None]) -> None:
        short = _SHORT
        parts = [
            _NULL if value is None else (short[len(value)] if len(value) < 1024 else _LENGTH(len(value))) + value
            for value in values
        ]
        parts.insert(0, _HEADER(1, _HAS_NULLS, _TEXT_OID, len(values), _LOWEST_INDEX))
        self.wire = b"".join(parts)


@dataclass(frozen=True, slots=True)
class SmallStatement:
    """A prepared statement (``$1`` …) and its values; ``types`` are OIDs on this very server, 0 for unknown."""

    text: bytes
    types: tuple[int, ...]
    values: Sequence[bytes | None]


class StatementOfMany(Exception):
    """One of the statements that ``run_many`` was given failed; ``index`` tells which."""

    def __init__(self, index: int, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error


class ApplySession:
    """Wraps an autocommit connection to the subscriber. Used by one thread.

    ``check`` is called about once a second while a server that may be gone is waited for; it raises to give up.
    """

    def __init__(self, connection: Connection, *, encoding: str, check: Callable[[], None]) -> None:
        self._check = check
        self.connection = connection
        self._pgconn = connection.pgconn
        # psycopg deallocates all statements after a ROLLBACK if it prepared any of its own: ours would be gone.
        connection.prepare_threshold = None
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        connection.execute(sql.SQL("SET client_encoding = {}").format(sql.Literal(encoding)))

    def run(self, statement: bytes, arrays: Sequence[TextArray]) -> int:
        """Run a statement over arrays (``$1`` …), prepared the first time; return the number of rows it touched."""
        name = self._prepared(statement, (TEXT_ARRAY_OID,) * len(arrays))
        self._pgconn.send_query_prepared(name, [array.wire for array in arrays], [pq.Format.BINARY] * len(arrays))
        self._flush()
        rows = 0
        while (result := self._next_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise self._raised(result)
            rows = result.command_tuples or 0
        return rows

    def _raised(self, result: pq.abc.PGresult) -> psycopg.Error:
        while self._pgconn.transaction_status == pq.TransactionStatus.ACTIVE and self._next_result() is not None:
            continue
        return error_from_result(result, self.connection.info.encoding)

    def simple(self, statement: sql.Composed) -> int:
        """Run a statement without values and return the number of rows it touched."""
        return self.connection.execute(statement).rowcount

    def copy_in(self, statement: sql.Composed, blocks: Iterable[bytes]) -> int:
        """Send rows in COPY's text form and return how many arrived."""
        cursor = self.connection.cursor()
        with cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
        return cursor.rowcount

    def run_many(self, statements: Sequence[SmallStatement]) -> list[int]:
        """Run statements in their order in pipelines and return the number of rows that each touched.

        Must be called in a transaction. Raises ``StatementOfMany``: nothing after that statement was run.
        """
        counts: list[int] = []
        for chunk in _chunks(statements):
            names = [self._prepared(each.text, each.types) for each in chunk]
            counts += self._pipeline(chunk, names, done=len(counts))
        return counts

    def _prepared(self, text: bytes, types: tuple[int, ...]) -> bytes:
        key = (text, types)
        if key not in self._names:
            name = b"apply_%d" % len(self._names)
            result = self._pgconn.prepare(name, text, types)
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise error_from_result(result, self.connection.info.encoding)
            self._names[key] = name
        return self._names[key]

    def _pipeline(self, chunk: Sequence[SmallStatement], names: Sequence[bytes], *, done: int) -> list[int]:
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            for statement, name in zip(chunk, names, strict=True):
                pgconn.send_query_prepared(name, statement.values)
            pgconn.pipeline_sync()
            return self._results(done)
        finally:
            if pgconn.status == pq.ConnStatus.OK:
                pgconn.exit_pipeline_mode()

    def _results(self, done: int) -> list[int]:
        counts: list[int] = []
        failure: StatementOfMany | None = None
        self._flush()
        while True:
            result = self._next_result()
            if result is None:
                continue  # the end of one statement's results
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            if result.status == pq.ExecStatus.FATAL_ERROR and failure is None:
                error = error_from_result(result, self.connection.info.encoding)
                failure = StatementOfMany(done + len(counts), error)
            counts.append(result.command_tuples or 0)
        if failure is not None:
            raise failure
        return counts

    def _flush(self) -> None:
        """Send everything, and read meanwhile, so that neither side waits for the other."""
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN | select.POLLOUT)
        while self._pgconn.flush():
            self._check()
            poll.poll(1000)
            self._pgconn.consume_input()

    def _next_result(self) -> pq.abc.PGresult | None:
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN)
        while self._pgconn.is_busy():
            if not poll.poll(1000):
                self._check()
            self._pgconn.consume_input()
        return self._pgconn.get_result()


def _chunks(statements: Sequence[SmallStatement]) -> Iterable[Sequence[SmallStatement]]:
    """Cut by number and by bytes: a backlog in libpq's buffers costs more than it saves."""
    begin = size = 0
    for index, statement in enumerate(statements):
        size += sum(len(value) for value in statement.values if value is not None)
        if index - begin >= PIPELINE_STATEMENTS or size > PIPELINE_BYTES:
            yield statements[begin : index + 1]
            begin, size = index + 1, 0
    if begin < len(statements):
        yield statements[begin:]
