"""How one server logs in to another: what stands in a subscription's CONNECTION."""

from __future__ import annotations

from typing import Any

from psycopg.conninfo import make_conninfo

from migrations_app.engine.postgres.connection import CONNECT_TIMEOUT_SECONDS
from migrations_app.engine.spec import Endpoint

FILE_BOUND = ("verify-ca", "verify-full")  # the certificate of the authority is not on the other server's machine


def conninfo_for_server(endpoint: Endpoint, *, database: str, address: str = "") -> str:
    """Return a connection string with the password, for another server; ``address`` is ``host:port`` seen from there.

    A certificate cannot be checked there: such a connection is encrypted, and no more.
    """
    host, port = endpoint.host, endpoint.port
    if address:
        host, _, text = address.rpartition(":")
        port = int(text)
    parameters: dict[str, Any] = {
        "host": host.strip("[]"),
        "port": port,
        "dbname": database,
        "user": endpoint.user,
        "password": endpoint.password,
        "sslmode": "require" if endpoint.sslmode in FILE_BOUND else endpoint.sslmode,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 10,
        "keepalives_count": 6,
    }
    return make_conninfo("", **parameters)
