"""Find out whether a connection pooler stands between the portal and PostgreSQL."""

from __future__ import annotations

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.pooling import hands_backends_around, is_direct
from migrations_app.engine.providers import PROVIDERS
from migrations_app.engine.spec import Endpoint

SESSION = "session"
TRANSACTION = "transaction"


def find_pooler(server: Server, connection: Connection) -> str:
    """Return ``""`` for a direct connection, else ``session`` or ``transaction`` for the kind of pooling.

    With transaction pooling the connection was refused before, unless it was hidden well.
    """
    if is_direct(connection) and not leads_to_pooler(server.endpoint):
        return ""
    try:
        moves = hands_backends_around(connection, lambda: server.connected(connection.info.dbname, purpose="pooler"))
    except ConnectionFailed:
        return SESSION
    return TRANSACTION if moves else SESSION


def leads_to_pooler(endpoint: Endpoint) -> bool:
    """Tell whether the host name and port are known to be a provider's pooler."""
    kinds = (provider.endpoint_kind(endpoint.host, endpoint.port) for provider in PROVIDERS)
    return any(kind.is_pooled for kind in kinds if kind)
