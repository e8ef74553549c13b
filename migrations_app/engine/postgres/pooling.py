"""Tell PostgreSQL from a connection pooler before it, and say where PostgreSQL itself is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from migrations_app.engine.direct_address import where_to_connect
from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.spec import Endpoint

Session = psycopg.Connection[tuple[Any, ...]]
PORT = "SELECT pg_catalog.current_setting('port')::int"


def backend_of(session: Session) -> int:
    """Return the process that serves this session just now."""
    return int(_value(session, "SELECT pg_catalog.pg_backend_pid()"))


def is_direct(session: Session) -> bool:
    """Tell whether PostgreSQL itself answers: a pooler tells its clients a process number of its own at login."""
    return session.info.backend_pid == backend_of(session)


def hands_backends_around(session: Session, open_another: Callable[[], AbstractContextManager[Session]]) -> bool:
    """Tell whether a session moves to another backend while a second one keeps its own busy: transaction pooling.

    A pool of one backend is recognized without waiting for it. Raises ``psycopg.errors.ProtocolViolation`` where the
    pooler refuses transactions (statement pooling), or what opening the second session raises.
    """
    first = backend_of(session)
    with open_another() as other, other.transaction():
        return backend_of(other) == first or backend_of(session) != first


def refuse_transaction_pooling(session: Session, *, endpoint: Endpoint) -> None:
    """Raise ``ConnectionFailed`` where what a session sets would stay with a backend that others are given next.

    An application of that pool would find its session read-only; so nothing may be set before this was asked. Raises
    ``psycopg.OperationalError`` where the pooler opens no second session.
    """
    if is_direct(session):
        return
    server_port = int(_value(session, PORT))
    try:
        kind = "transaction" if hands_backends_around(session, lambda: _another(session)) else ""
    except psycopg.errors.ProtocolViolation:
        kind = "statement"
    if kind:
        raise ConnectionFailed(
            f"A connection pooler with {kind} pooling answers at {endpoint.host}:{endpoint.port}, not PostgreSQL "
            "itself.",
            kind="pooler",
            hint=f"{where_to_connect(endpoint.port, server_port=server_port)} Such a pooler hands the settings of the "
            "portal's sessions on to your applications, so nothing was tried through it.",
        )


def _another(session: Session) -> AbstractContextManager[Session]:
    return psycopg.connect(session.info.dsn, password=session.info.password, autocommit=True)


def _value(session: Session, query: str) -> Any:
    row = session.execute(query).fetchone()
    return row[0] if row else 0
