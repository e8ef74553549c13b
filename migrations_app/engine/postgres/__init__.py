"""The lowest layer: the only package that imports psycopg or starts psql, pg_dump and pg_restore."""

from __future__ import annotations

from psycopg import Error, errors, sql

from migrations_app.engine.postgres import queries
from migrations_app.engine.postgres.connection import Connection, Server, qualified, session_encoding

__all__ = ["Connection", "Error", "Server", "errors", "qualified", "queries", "session_encoding", "sql"]
