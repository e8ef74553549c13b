"""List the tables, views and sequences of one database."""

from __future__ import annotations

from migrations_app.engine.postgres import Server
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.probe_databases import limit_statements
from migrations_app.engine.probe_values import TableFacts


def list_tables(server: Server, database: str, *, time_limit_seconds: float = 30.0) -> list[TableFacts]:
    """Return what people made in ``database``, without members of extensions and system schemas.

    Raises ``ConnectionFailed`` and ``ReadTimedOut``.
    """
    with server.connected(database, purpose="tables") as connection:
        limit_statements(connection, seconds=time_limit_seconds)
        return fetch(connection, "tables", TableFacts)
