"""Run a named query and turn its rows into values; a missing right or a used-up time limit is caught by its type."""

from __future__ import annotations

from typing import Any, TypeVar

from psycopg import errors
from psycopg.rows import class_row

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres.connection import Connection
from migrations_app.engine.postgres.queries import get

Row = TypeVar("Row")


class ReadDenied(EngineError):
    """The user lacks the right to read what a query reads."""


class ReadTimedOut(EngineError):
    """A query did not end within its time limit, or waited too long for a lock."""


def fetch(connection: Connection, name: str, into: type[Row], /, **parameters: Any) -> list[Row]:
    """Return the rows of the query ``name`` as values of ``into``, whose fields are the query's columns.

    Raises ``ReadDenied`` and ``ReadTimedOut``.
    """
    statement = get(name, server_version=connection.info.server_version)
    try:
        with connection.cursor(row_factory=class_row(into)) as cursor:
            return cursor.execute(statement, parameters).fetchall()
    except errors.InsufficientPrivilege as error:
        raise ReadDenied(
            f"The user {connection.info.user} may not read what the query {name} needs.",
            hint="Grant what the server's message names, or log in as a user with more rights.",
            server_message=str(error).strip(),
        ) from error
    except (errors.QueryCanceled, errors.LockNotAvailable) as error:
        raise ReadTimedOut(
            f"The query {name} did not end within its time limit.",
            hint="Look for sessions that hold locks on catalog tables, or for a server under heavy load; then try again.",
            server_message=str(error).strip(),
        ) from error


def fetch_one(connection: Connection, name: str, into: type[Row], /, **parameters: Any) -> Row:
    """Return the only row of the query ``name``; raises like ``fetch``."""
    (row,) = fetch(connection, name, into, **parameters)
    return row
