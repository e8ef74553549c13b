"""Find out whether a connection pooler stands between the portal and PostgreSQL."""

from __future__ import annotations

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.providers import PROVIDERS
from migrations_app.engine.spec import Endpoint

SESSION = "session"
TRANSACTION = "transaction"


def find_pooler(server: Server, connection: Connection) -> str:
    """Return ``""`` for a direct connection, else ``session`` or ``transaction`` for the kind of pooling.

    A pooler tells its clients a process number of its own at login, PostgreSQL its real one. With transaction
    pooling a session moves to another backend while a second one keeps its own busy.
    """
    told, first = connection.info.backend_pid, _backend(connection)
    if told == first and not leads_to_pooler(server.endpoint):
        return ""
    try:
        with server.connected(connection.info.dbname, purpose="pooler") as other, other.transaction():
            busy = _backend(other)
            return TRANSACTION if _backend(connection) != first or busy == first else SESSION
    except ConnectionFailed:
        return SESSION


def leads_to_pooler(endpoint: Endpoint) -> bool:
    """Tell whether the host name and port are known to be a provider's pooler."""
    kinds = (provider.endpoint_kind(endpoint.host, endpoint.port) for provider in PROVIDERS)
    return any(kind.is_pooled for kind in kinds if kind)


def _backend(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0
