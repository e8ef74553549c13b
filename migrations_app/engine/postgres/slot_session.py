"""Make a logical replication slot with an exported snapshot, and see who keeps it waiting; or leave nothing behind.

https://www.postgresql.org/docs/18/protocol-replication.html#PROTOCOL-REPLICATION-CREATE-REPLICATION-SLOT
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql
from psycopg.errors import error_from_result

from migrations_app.engine.errors import StatementRefused
from migrations_app.engine.postgres.connection import SESSION_SETTINGS, Server, conninfo
from migrations_app.engine.postgres.connection_errors import explain
from migrations_app.engine.postgres.server_errors import explain_failure

POLL_SECONDS = 0.2
OPTIONS_IN_PARENTHESES_SINCE = 150000  # before, the statement knows keywords only


@dataclass(frozen=True)
class ExportedSlot:
    """A slot that was made just now. ``begins_at`` is where its changes begin, ``snapshot`` shows what was before.

    The snapshot can be imported until the session that made it ends.
    """

    name: str
    begins_at: str
    snapshot: str


@contextmanager
def exporting_slot(
    server: Server,
    database: str,
    *,
    name: str,
    wait_seconds: int,
    while_waiting: Callable[[float], None],
    failover: bool = False,
) -> Iterator[ExportedSlot]:
    """Make a slot and keep its snapshot while inside; ``failover``: standbys keep it, too (17 and newer).

    The server waits for the end of every transaction that runs; ``while_waiting`` gets the seconds so far, several
    times a second, and may raise. ``wait_seconds`` bounds the wait for one transaction. When it fails, the statement is
    canceled and the server's process ended: closing the socket alone would let it wait on.
    """
    server.control.check()
    session = _open(server, database, wait_seconds=wait_seconds)
    try:
        with server.control.interruptible(lambda: session.cancel_safe(timeout=3)):
            yield _create(server, session, _statement(session, name, failover=failover), while_waiting)
    except BaseException:
        _end(server, session)
        raise
    finally:
        session.close()


def _open(server: Server, database: str, *, wait_seconds: int) -> psycopg.Connection[tuple[object, ...]]:
    parameters = conninfo(
        server.endpoint,
        database=database,
        application_name=server.application_name("slot"),
        with_password=True,
        options=f"-c lock_timeout={wait_seconds}s",
    )
    try:
        session = psycopg.connect(parameters, replication="database", autocommit=True)
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            statement = sql.SQL("SET {} = {}").format(sql.Identifier(setting), sql.Literal(SESSION_SETTINGS[setting]))
            session.pgconn.exec_(statement.as_bytes(session))
    except psycopg.OperationalError as error:
        raise explain(error, endpoint=server.endpoint, database=database) from error
    return session


def _statement(session: psycopg.Connection[tuple[object, ...]], name: str, *, failover: bool) -> sql.Composed:
    in_parentheses = session.info.server_version >= OPTIONS_IN_PARENTHESES_SINCE
    options = "(SNAPSHOT 'export', FAILOVER true)" if failover else "(SNAPSHOT 'export')"
    export = options if in_parentheses else "EXPORT_SNAPSHOT"
    return sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput {}").format(sql.Identifier(name), sql.SQL(export))


def _create(
    server: Server,
    session: psycopg.Connection[tuple[object, ...]],
    statement: sql.Composed,
    while_waiting: Callable[[float], None],
) -> ExportedSlot:
    pgconn, began_at = session.pgconn, time.monotonic()
    pgconn.send_query(statement.as_bytes(session))
    while pgconn.is_busy():
        server.control.check()
        while_waiting(time.monotonic() - began_at)
        select.select([pgconn.socket], [], [], POLL_SECONDS)
        try:
            pgconn.consume_input()
        except psycopg.OperationalError as error:
            raise _refused(server, str(error), sqlstate="08006") from error
    result = pgconn.get_result()
    if result is None or result.status != pq.ExecStatus.TUPLES_OK:
        server.control.check()
        said = error_from_result(result, session.info.encoding) if result else psycopg.OperationalError("no answer")
        raise _refused(server, str(said), sqlstate=said.sqlstate or "08006") from said
    values = [(result.get_value(0, column) or b"").decode() for column in range(3)]
    while pgconn.get_result() is not None:
        continue
    return ExportedSlot(*values)


def _refused(server: Server, words: str, *, sqlstate: str) -> Exception:
    return explain_failure(
        words.strip(),
        endpoint=server.endpoint,
        sqlstate=sqlstate,
        kind=StatementRefused,
        what="The replication slot could not be made",
    )


def _end(server: Server, session: psycopg.Connection[tuple[object, ...]]) -> None:
    """Cancel the statement and end the process that may still wait with it."""
    pid = session.info.backend_pid
    try:
        session.cancel_safe(timeout=3)
        with psycopg.connect(
            conninfo(
                server.endpoint,
                database=server.endpoint.database,
                application_name=server.application_name("sweep"),
                with_password=True,
            ),
            autocommit=True,
        ) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND application_name = %s",
                (pid, server.application_name("slot")),
            )
    except psycopg.Error:
        session.close()  # the server is away, and with it the process
