"""Ask a server whether it lets our user read a stream of changes, without making anything there."""

from __future__ import annotations

import psycopg

from migrations_app.engine.postgres.connection import Server, conninfo


def refusal_of_replication(server: Server, database: str) -> str:
    """Return why the server starts no walsender for our user, in its own words; empty where it starts one.

    The session ends at once and makes no slot. It needs the right to replicate, and a free walsender, as reading a slot
    does: https://www.postgresql.org/docs/18/protocol-replication.html
    """
    server.control.check()
    name = server.application_name("validate")
    parameters = conninfo(server.endpoint, database=database, application_name=name, with_password=True)
    try:
        with psycopg.connect(parameters, replication="database", autocommit=True) as connection:
            result = connection.pgconn.exec_(b"IDENTIFY_SYSTEM")
            return "" if result.ntuples else result.get_error_message().strip()
    except psycopg.OperationalError as error:
        server.control.check()
        return str(error).strip()
