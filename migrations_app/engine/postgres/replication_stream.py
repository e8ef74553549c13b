"""Read a logical replication slot: START_REPLICATION, the copy in both directions, and the answers the server wants.

https://www.postgresql.org/docs/18/protocol-replication.html
"""

from __future__ import annotations

import select
import struct
import time
from types import TracebackType
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.errors import error_from_result

from migrations_app.engine.errors import ConnectionLost, EngineError, StatementRefused
from migrations_app.engine.postgres.connection import SESSION_SETTINGS, Server, conninfo
from migrations_app.engine.postgres.connection_errors import explain
from migrations_app.engine.postgres.server_errors import explain_failure

UNIX_TO_POSTGRES_SECONDS = 946_684_800
HEADER_BYTES = 25  # of XLogData: the kind, the start and the end in the log, the server's clock
XLOG_DATA = ord("w")
KEEPALIVE = ord("k")
# A part of a TLS record may wait in the library while nothing can be read from the socket: then we do not wait long.
TLS_WAIT_SECONDS = 0.02
TLS_CALM_SECONDS = 1.0
LAST_WORDS_SECONDS = 3.0  # of a server that ended the stream and may not end the connection
SLOT_IN_USE = "55006"
_FEEDBACK = struct.Struct(">cQQQqB")
_KEEPALIVE = struct.Struct(">QqB")


class SlotInUse(ConnectionLost):
    """Another session reads the slot, maybe one of ours whose end the server has not noticed yet."""


class SlotLost(StatementRefused):
    """The slot does not exist any more, or the server removed the log that it needs."""


def keepalive(data: bytes) -> tuple[int, bool]:
    """Return how far the server has read its log, and whether it wants an answer now."""
    end_lsn, _, wants_answer = _KEEPALIVE.unpack_from(data, 1)
    return int(end_lsn), bool(wants_answer)


class ReplicationStream:
    """The open stream of one slot. Used by one thread; never blocks except in ``wait``."""

    def __init__(self, server: Server, database: str, *, slot: str, encoding: str, purpose: str = "apply") -> None:
        """Open the session. Raises ``ConnectionFailed`` or ``StatementRefused``."""
        self._server = server
        self._slot = slot
        name = server.application_name(purpose)
        parameters = conninfo(server.endpoint, database=database, application_name=name, with_password=True)
        try:
            self._connection = psycopg.connect(parameters, replication="database", autocommit=True)
        except psycopg.OperationalError as error:
            raise explain(error, endpoint=server.endpoint, database=database) from error
        self._pgconn = self._connection.pgconn
        self._get = self._pgconn.get_copy_data
        self._poll = select.poll()
        self._arrived_at = 0.0
        try:
            self._prepare(encoding)
        except BaseException:
            self.close()
            raise

    @property
    def server_version(self) -> int:
        """Such as 140012."""
        return self._pgconn.server_version

    def _prepare(self, encoding: str) -> None:
        settings = SESSION_SETTINGS | {"client_encoding": encoding}
        for name, value in settings.items():
            self._execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))

    def start(self, *, from_lsn: str, options: dict[str, str]) -> None:
        """Begin to stream what was committed at or after ``from_lsn`` (``16/B374D848``). Raises ``EngineError``."""
        pairs = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in options.items()
        )
        statement = sql.SQL("START_REPLICATION SLOT {} LOGICAL {} ({})")
        self._execute(statement.format(sql.Identifier(self._slot), sql.SQL(from_lsn), pairs))
        self._poll.register(self._pgconn.socket, select.POLLIN)

    def _execute(self, statement: sql.Composed) -> None:
        result = self._pgconn.exec_(statement.as_bytes(self._connection))
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.COPY_BOTH):
            raise self._explain(error_from_result(result, self._connection.info.encoding))

    def take(self) -> bytes | None:
        """Return the next message that has arrived whole, or None. Raises ``ConnectionLost`` or ``SlotLost``."""
        try:
            size, data = self._get(1)
        except psycopg.Error as error:
            raise self._ended(error) from error
        if size > 0:
            whole: Any = data.obj
            return whole if type(whole) is bytes else bytes(data)
        if size == 0:
            return None
        raise self._ended(None)

    def watch(self, wake_fd: int) -> None:
        """Let ``wait`` return when ``wake_fd`` can be read, too; whoever owns it empties it."""
        self._poll.register(wake_fd, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait until something arrives here or at what is watched, and read what arrived here."""
        if self._pgconn.ssl_in_use and time.monotonic() - self._arrived_at < TLS_CALM_SECONDS:
            seconds = min(seconds, TLS_WAIT_SECONDS)
        ready = self._poll.poll(seconds * 1000)
        try:
            self._pgconn.consume_input()
            if ready and self._pgconn.ssl_in_use:
                self._arrived_at = time.monotonic()
                self._pgconn.consume_input()
                self._pgconn.consume_input()
        except psycopg.Error as error:
            raise self._ended(error) from error

    def confirm(self, *, received_lsn: int, applied_lsn: int, wants_answer: bool = False) -> None:
        """Tell the server what has arrived, and what is committed elsewhere, so that it may forget it."""
        now_microseconds = int((time.time() - UNIX_TO_POSTGRES_SECONDS) * 1_000_000)
        message = _FEEDBACK.pack(b"r", received_lsn, applied_lsn, applied_lsn, now_microseconds, wants_answer)
        try:
            self._pgconn.put_copy_data(message)
            self._pgconn.flush()
        except psycopg.Error as error:
            raise self._ended(error) from error

    def _ended(self, error: psycopg.Error | None) -> EngineError:
        """Return why the stream ended: the server's last words are in a result of their own."""
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while self._has_result(deadline) and (result := self._pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                return self._explain(error_from_result(result, self._connection.info.encoding))
            if result.status in (pq.ExecStatus.COPY_BOTH, pq.ExecStatus.COPY_IN):
                break
        return self._lost(str(error).strip() if error else "the server ended the stream")

    def _has_result(self, deadline: float) -> bool:
        """Wait for the rest of a result; libpq itself would do so with the interpreter locked for every thread."""
        socket = select.poll()
        try:
            while self._pgconn.is_busy():
                socket.register(self._pgconn.socket, select.POLLIN)
                if not socket.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    return False
                self._pgconn.consume_input()
        except psycopg.Error:  # the connection is gone, so nothing is waited for any more
            return True
        return True

    def _explain(self, error: psycopg.Error) -> EngineError:
        label, words = self._server.endpoint.label, str(error).strip()
        if error.sqlstate == SLOT_IN_USE:
            return SlotInUse(
                f"The replication slot {self._slot} on {label} is read by another session.",
                hint="It ends by itself when that session is one of this migration that was cut off; look into "
                "pg_stat_replication for one that is not.",
                server_message=words,
            )
        if error.sqlstate in ("42704", "55000", "58P01"):
            return SlotLost(
                f"{label} cannot give the changes of the replication slot {self._slot}.",
                hint="The slot, its publication or the log that it needs is gone (max_slot_wal_keep_size, a failover, "
                "or somebody dropped it). Resume: what changed is copied again.",
                server_message=words,
            )
        broken = self._pgconn.status != pq.ConnStatus.OK
        sqlstate = error.sqlstate or ("08006" if broken else "")
        return explain_failure(
            words, endpoint=self._server.endpoint, sqlstate=sqlstate, kind=StatementRefused, what="read the changes"
        )

    def _lost(self, words: str) -> ConnectionLost:
        return ConnectionLost(
            f"The connection to {self._server.endpoint.label}, which sends the changes, was lost.",
            hint="Look whether the server was restarted or the network cut the connection.",
            server_message=words,
        )

    def __enter__(self) -> ReplicationStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self._connection.close()
