"""Open connections to a source or target server, and say in words why one cannot be opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionFailed, StatementRefused
from migrations_app.engine.postgres.connection_errors import explain
from migrations_app.engine.postgres.json_loader import read_json_as_spoken
from migrations_app.engine.postgres.pooling import refuse_transaction_pooling
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.spec import Endpoint, Side

CONNECT_TIMEOUT_SECONDS = 10
SYSTEM_CA_FILE = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")

Connection = psycopg.Connection[tuple[Any, ...]]

# Every session prints values in the same way on every server, and reads all rows or fails.
SESSION_SETTINGS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "standard_conforming_strings": "on",
    "row_security": "off",
    "search_path": "",
}


def conninfo(
    endpoint: Endpoint, *, database: str, application_name: str, with_password: bool, options: str = ""
) -> str:
    """Return a libpq connection string; client programs get it without the password."""
    parameters: dict[str, Any] = {
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "dbname": database,
        "sslmode": endpoint.sslmode,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": application_name[:63],
        "keepalives_idle": 10,
        "keepalives_interval": 10,
        "keepalives_count": 6,
        "gssencmode": "disable",
    }
    if endpoint.sslmode in ("verify-ca", "verify-full"):
        parameters["sslrootcert"] = endpoint.ca_file or SYSTEM_CA_FILE
    else:
        # A root file that exists would turn "require" into "verify-ca": https://www.postgresql.org/docs/18/libpq-ssl.html
        parameters["sslrootcert"] = "/nonexistent"
    if with_password:
        parameters["password"] = endpoint.password
        parameters["passfile"] = "/nonexistent"
    if options:
        parameters["options"] = options
    return make_conninfo("", **parameters)


# Names of roles, databases and tablespaces are bytes that all databases share, in the encoding of whoever wrote them.
OTHER_ENCODING_HINT = (
    "A role, a database or a comment was named in a database of another encoding. Give the connections of this "
    "migration a login database of that encoding, on both servers, or rename the role from there to plain letters."
)

# Limits that only newer servers know: idle_session_timeout since 14, transaction_timeout since 17.
NO_SESSION_LIMITS = (
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
    " WHERE name IN ('idle_session_timeout', 'transaction_timeout')"
)


# The databases that run an event trigger at every login, where our user may switch that off for its sessions (17+).
LOGIN_TRIGGERS = (
    "SELECT datname::text FROM pg_catalog.pg_database"
    " WHERE dathasloginevt AND pg_catalog.has_parameter_privilege('event_triggers', 'SET')"
)
LOGIN_TRIGGERS_SINCE = 170000
NO_LOGIN_TRIGGERS = "-c event_triggers=off"


class Server:
    """One server as one run sees it: its connections carry the run's name and end when the run must end.

    ``tag`` names the migration and the run in pg_stat_activity: ``pgmig/<migration>/<fence>``.
    """

    def __init__(self, endpoint: Endpoint, *, tag: str = "pgmig/adhoc", control: Control | None = None) -> None:
        self.endpoint = endpoint
        self.tag = tag
        self.control = control or Control(fence=0)
        self._quiet_databases: frozenset[str] | None = None  # until it was looked up
        self._pools_no_transactions = False  # until it was asked

    def under(self, control: Control) -> Server:
        """Return the same server held by other reins."""
        server = Server(self.endpoint, tag=self.tag, control=control)
        server._quiet_databases = self._quiet_databases
        server._pools_no_transactions = self._pools_no_transactions
        return server

    @property
    def is_source(self) -> bool:
        """True for the source, which is opened read-only."""
        return self.endpoint.side is Side.SOURCE

    def application_name(self, purpose: str) -> str:
        """Name of a session in pg_stat_activity."""
        return f"{self.tag}/{purpose}"[:63]

    def conninfo(self, database: str, *, purpose: str, with_password: bool = False) -> str:
        """Return how to connect to ``database``; client programs get it without the password."""
        return conninfo(
            self.endpoint,
            database=database,
            application_name=self.application_name(purpose),
            with_password=with_password,
            options=NO_LOGIN_TRIGGERS if self.avoids_login_triggers(database) else "",
        )

    def avoids_login_triggers(self, database: str) -> bool:
        """Tell whether our sessions switch off the login triggers that ``database`` of the source has.

        The source's own rows must not change because we look at them. The very first session, in the login
        database, cannot know yet. Raises like ``connected`` where it has to look.
        """
        if not self.is_source:
            return False
        if self._quiet_databases is None and database != self.endpoint.database:
            with self.connected(purpose="look"):
                pass  # opening a session in the login database looks it up
        return database in (self._quiet_databases or ())

    def open(
        self, database: str | None = None, *, purpose: str = "portal", read_only: bool | None = None
    ) -> Connection:
        """Open an autocommit connection that the caller closes; prefer ``connected``.

        Raises ``ConnectionFailed``, or ``StatementRefused`` for a name in another encoding. ``read_only`` defaults to
        True on the source.
        """
        database = database or self.endpoint.database
        try:
            connection = psycopg.connect(self.conninfo(database, purpose=purpose, with_password=True), autocommit=True)
        except psycopg.OperationalError as error:
            raise explain(error, endpoint=self.endpoint, database=database) from error
        self._refuse_transaction_pooling(connection, database=database)
        read_only = self.is_source if read_only is None else read_only
        settings = SESSION_SETTINGS | {"default_transaction_read_only": "on" if read_only else "off"}
        try:
            connection.execute(_set_all(settings | {"client_encoding": session_encoding(connection)}))
            connection.execute(NO_SESSION_LIMITS)
            read_json_as_spoken(connection)
            self._look_for_login_triggers(connection)
        except psycopg.Error as error:
            is_lost = connection.broken
            connection.close()
            if is_lost:
                raise explain(error, endpoint=self.endpoint, database=database) from error
            raise ConnectionFailed(
                f"{self.endpoint.label} does not accept this portal's session settings.",
                kind="settings",
                hint="Connect directly to PostgreSQL, not through a connection pooler.",
                server_message=str(error),
            ) from error
        except UnicodeDecodeError as error:
            unreadable = _unreadable(error, endpoint=self.endpoint, connection=connection)
            connection.close()
            raise unreadable from error
        return connection

    def _refuse_transaction_pooling(self, connection: Connection, *, database: str) -> None:
        """Ask once, before anything is set."""
        if self._pools_no_transactions:
            return
        try:
            refuse_transaction_pooling(connection, endpoint=self.endpoint)
        except psycopg.OperationalError as error:
            connection.close()
            raise explain(error, endpoint=self.endpoint, database=database) from error
        except BaseException:
            connection.close()
            raise
        self._pools_no_transactions = True

    def _look_for_login_triggers(self, connection: Connection) -> None:
        if self.is_source and self._quiet_databases is None:
            knows = connection.info.server_version >= LOGIN_TRIGGERS_SINCE
            rows = connection.execute(LOGIN_TRIGGERS).fetchall() if knows else []
            self._quiet_databases = frozenset(row[0] for row in rows)

    @contextmanager
    def connected(
        self, database: str | None = None, *, purpose: str = "portal", read_only: bool | None = None
    ) -> Iterator[Connection]:
        """Open a connection, interrupt it when the run must stop, close it at the end.

        Raises ``ConnectionFailed``, ``ConnectionLost`` when the server goes away, ``StatementRefused`` for an error
        of the server that nobody caught inside or a name in another encoding, or the reason to stop.
        """
        self.control.check()
        connection = self.open(database, purpose=purpose, read_only=read_only)
        try:
            with self.control.interruptible(lambda: connection.cancel_safe(timeout=3)):
                yield connection
        except psycopg.Error as error:
            self.control.check()
            raise explain_failure(
                str(error).strip(),
                endpoint=self.endpoint,
                sqlstate=error.sqlstate or ("08006" if connection.broken else ""),
                kind=StatementRefused,
            ) from error
        except UnicodeDecodeError as error:
            raise _unreadable(error, endpoint=self.endpoint, connection=connection) from error
        finally:
            connection.close()

    def terminate_sessions(self, tag_prefix: str, *, keep_tag: str = "\n") -> int:
        """End our own older sessions: those named ``tag_prefix…`` but not ``keep_tag…``. Returns how many."""
        statement = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE left(application_name, length(%(prefix)s)) = %(prefix)s "
            "AND left(application_name, length(%(keep)s)) <> %(keep)s "
            "AND pid <> pg_backend_pid() AND usename = current_user"
        )
        with self.connected(purpose="sweep", read_only=False) as connection:
            row = connection.execute(statement, {"prefix": tag_prefix, "keep": keep_tag}).fetchone()
        return int(row[0]) if row else 0


def session_encoding(connection: Connection) -> str:
    """Return the encoding in which to speak to this database: none of its bytes is ever converted.

    A database without an encoding (SQL_ASCII) is spoken to in LATIN1, in which any byte is a character:
    https://www.postgresql.org/docs/18/multibyte.html
    """
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    return "LATIN1" if encoding == "SQL_ASCII" else encoding


def _unreadable(error: UnicodeDecodeError, *, endpoint: Endpoint, connection: Connection) -> StatementRefused:
    encoding = connection.info.parameter_status("server_encoding")
    return StatementRefused(
        f"{endpoint.label} keeps a name that is no text in {encoding}, the encoding of the database "
        f"{connection.info.dbname}.",
        hint=OTHER_ENCODING_HINT,
        server_message=f"The name contains: {around(error)}",
    )


def around(error: UnicodeDecodeError) -> str:
    """Return what could not be read with a little of what is around it; foreign bytes are written as escapes."""
    start, end = max(0, error.start - 20), min(len(error.object), error.end + 20)
    return bytes(error.object[start:end]).decode("ascii", errors="backslashreplace")


def _set_all(settings: dict[str, str]) -> sql.Composed:
    return sql.SQL("; ").join(
        sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in settings.items()
    )


def qualified(schema: str, name: str) -> sql.Composed:
    """Return ``"schema"."name"`` quoted."""
    return sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(name))
