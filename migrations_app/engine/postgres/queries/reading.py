"""Run a named query and turn its rows into values; a missing right or a used-up time limit is caught by its type."""

from __future__ import annotations

from typing import Any, TypeVar

from psycopg import Error, errors
from psycopg.rows import class_row

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres.connection import OTHER_ENCODING_HINT, Connection, around
from migrations_app.engine.postgres.queries import get

Row = TypeVar("Row")


class ReadFailed(EngineError):
    """The server refused a query that only reads."""


class ReadDenied(ReadFailed):
    """The user lacks the right to read what a query reads."""


class ReadTimedOut(ReadFailed):
    """A query did not end within its time limit, or waited too long for a lock."""


def fetch(connection: Connection, name: str, into: type[Row], /, **parameters: Any) -> list[Row]:
    """Return the rows of the query ``name`` as values of ``into``, whose fields are the query's columns.

    Raises ``ReadDenied``, ``ReadTimedOut`` or ``ReadFailed``; an error that ends the connection passes as it is.
    """
    statement = get(name, server_version=connection.info.server_version)
    try:
        with connection.cursor(row_factory=class_row(into)) as cursor:
            return cursor.execute(statement, parameters).fetchall()
    except Error as error:
        if connection.broken:
            raise
        raise _typed(error, name=name, user=connection.info.user) from error
    except UnicodeDecodeError as error:
        encoding = connection.info.parameter_status("server_encoding")
        raise ReadFailed(
            f"The server answers the query {name} with a name that is no text in {encoding}, the encoding of the "
            f"database {connection.info.dbname}.",
            hint=OTHER_ENCODING_HINT,
            server_message=f"The name contains: {around(error)}",
        ) from error


def fetch_one(connection: Connection, name: str, into: type[Row], /, **parameters: Any) -> Row:
    """Return the only row of the query ``name``; raises like ``fetch``."""
    (row,) = fetch(connection, name, into, **parameters)
    return row


def _typed(error: Error, *, name: str, user: str) -> ReadFailed:
    server_message = str(error).strip()
    if isinstance(error, errors.InsufficientPrivilege):
        return ReadDenied(
            f"The user {user} may not read what the query {name} needs.",
            hint="Grant what the server's message names, or log in as a user with more rights.",
            server_message=server_message,
        )
    if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable):
        return ReadTimedOut(
            f"The query {name} did not end within its time limit.",
            hint="Look for sessions that hold locks on the catalog, or for a server under heavy load; then try again.",
            server_message=server_message,
        )
    return ReadFailed(
        f"The server refused the query {name}.",
        hint="The server's own message says why.",
        server_message=server_message,
    )
