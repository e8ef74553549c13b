"""List the databases of a server, and look into each of them for a short time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial

from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.probe_values import DatabaseFacts, DatabaseRow, SettingFacts
from migrations_app.engine.providers.fingerprint import recognize

MAX_PARALLEL = 8
CONNECTIONS_LEFT_FREE = 2


@dataclass(frozen=True)
class _Contents:
    """A row of queries/database_contents.sql."""

    table_count: int
    extensions: list[str]


@dataclass(frozen=True)
class _User:
    """A row of queries/current_user.sql."""

    name: str
    superuser: bool


def list_databases(server: Server, *, time_limit_seconds: float = 15.0) -> list[DatabaseFacts]:
    """Return the databases of people on ``server``: no templates, none of the provider's own.

    Each is opened, several at once, to count its tables and name its extensions. Databases that were not reached
    within ``time_limit_seconds`` keep None there and say so in ``problem``. Raises ``ConnectionFailed``.
    """
    deadline = time.monotonic() + time_limit_seconds
    with server.connected(purpose="databases") as connection:
        databases = read_databases(connection, host=server.endpoint.host)
        parallel = _parallel(connection)
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="look-into") as pool:
        return list(pool.map(partial(_look_into, server, deadline=deadline), databases))


def read_databases(connection: Connection, *, host: str) -> list[DatabaseFacts]:
    """Return the databases as the catalog shows them, without opening any."""
    provider = recognize(connection, host=host).provider
    rows = fetch(connection, "databases", DatabaseRow)
    return [_facts(row) for row in rows if not row.is_template and not provider.owns_database(row.name)]


def _facts(row: DatabaseRow) -> DatabaseFacts:
    facts = DatabaseFacts(**asdict(row))
    if not row.allows_connections:
        return replace(facts, problem="The database accepts no connections (datallowconn is false).")
    if not row.may_connect:
        return replace(facts, problem="This user lacks the CONNECT privilege on the database.")
    return facts


def _parallel(connection: Connection) -> int:
    settings = fetch_one(connection, "server_settings", SettingFacts)
    user = fetch_one(connection, "current_user", _User)
    free = settings.free_connections(superuser=user.superuser)
    return max(1, min(MAX_PARALLEL, free - CONNECTIONS_LEFT_FREE))


def _look_into(server: Server, database: DatabaseFacts, *, deadline: float) -> DatabaseFacts:
    if not database.connectable:
        return database
    if time.monotonic() > deadline:
        return replace(database, problem="There was no time left to look into this database.")
    try:
        contents = _contents(server, database.name, seconds=max(1.0, deadline - time.monotonic()))
    except Stopped:
        raise
    except EngineError as error:
        return replace(database, problem=error.message)
    return replace(database, table_count=contents.table_count, extensions=tuple(contents.extensions))


def _contents(server: Server, database: str, *, seconds: float) -> _Contents:
    with server.connected(database, purpose="databases") as connection:
        limit_statements(connection, seconds=seconds)
        return fetch_one(connection, "database_contents", _Contents)


def limit_statements(connection: Connection, *, seconds: float) -> None:
    """End every further statement of the session after ``seconds``, and every wait for a lock after a third of it."""
    connection.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)",
        (str(int(seconds * 1000)), str(int(seconds * 333) + 1)),
    )


def by_name(databases: Sequence[DatabaseFacts]) -> dict[str, DatabaseFacts]:
    """Return the databases by their names."""
    return {database.name: database for database in databases}
