"""Look at one server: version, provider, encryption, latency, rights, room."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.queries.reading import ReadFailed, fetch, fetch_one
from migrations_app.engine.probe_databases import limit_statements
from migrations_app.engine.probe_disk import DiskNotMeasured, free_disk_bytes
from migrations_app.engine.probe_pooler import find_pooler
from migrations_app.engine.probe_values import (
    DatabaseRow,
    ExtensionFacts,
    PrivilegeFacts,
    ServerFacts,
    SettingFacts,
    TlsFacts,
)
from migrations_app.engine.providers.fingerprint import recognize
from migrations_app.engine.spec import Endpoint

ROUND_TRIPS = 5
TIME_LIMIT_SECONDS = 20.0
CERTIFICATE_CHECKED = {"verify-ca": "authority", "verify-full": "authority and host name"}


@dataclass(frozen=True)
class _ServerTls:
    """A row of queries/server_tls.sql."""

    in_use: bool
    version: str | None
    cipher: str | None
    bits: int | None


@dataclass(frozen=True)
class _Identity:
    """A row of queries/server_identity.sql."""

    identity: str


def probe_server(server: Server) -> ServerFacts:
    """Return what can be seen of ``server`` with its user's rights; nothing on the server is changed.

    Raises ``ConnectionFailed``, ``ConnectionLost``, or ``ReadFailed`` where not even the basics can be read.
    """
    with server.connected(purpose="probe") as connection:
        limit_statements(connection, seconds=TIME_LIMIT_SECONDS)
        return _look(server, connection)


def _look(server: Server, connection: Connection) -> ServerFacts:
    notes: list[str] = []
    settings = fetch_one(connection, "server_settings", SettingFacts)
    privileges = fetch_one(connection, "server_privileges", PrivilegeFacts)
    databases = fetch(connection, "databases", DatabaseRow)
    current = next((row for row in databases if row.name == connection.info.dbname), None)
    recognized = recognize(connection, host=server.endpoint.host)
    if settings.shared_preload_libraries is None:
        notes.append("The preloaded libraries are hidden: this user is not a member of pg_read_all_settings.")
    return ServerFacts(
        host=server.endpoint.host,
        port=server.endpoint.port,
        database=connection.info.dbname,
        major=settings.version_number // 10000,
        provider=recognized.provider.key,
        provider_name=recognized.provider.name,
        provider_evidence=recognized.evidence,
        allowed_extensions=recognized.allowed_extensions,
        identity=_identity(connection, settings, notes=notes),
        pooler=find_pooler(server, connection),
        tls=_tls(connection, server.endpoint),
        latency_ms=_latency_ms(connection),
        privileges=privileges,
        settings=settings,
        encoding=settings.encoding,
        collate=current.collate if current else "",
        ctype=current.ctype if current else "",
        locale_provider=current.locale_provider if current else "",
        free_connections=settings.free_connections(superuser=privileges.superuser),
        free_bytes=_free_bytes(server, connection, settings, privileges, notes=notes),
        data_bytes=_data_bytes(databases, notes=notes),
        extensions=_extensions(connection, notes=notes),
        notes=tuple(notes),
    )


def _identity(connection: Connection, settings: SettingFacts, *, notes: list[str]) -> str:
    try:
        return fetch_one(connection, "server_identity", _Identity).identity
    except ReadFailed as error:
        notes.append(f"The server's system identifier cannot be read. {error.server_message}")
        return ""


def _tls(connection: Connection, endpoint: Endpoint) -> TlsFacts:
    """Take from libpq whether our own link is encrypted, and from the server how."""
    in_use = bool(connection.pgconn.ssl_in_use)
    seen = next(iter(fetch(connection, "server_tls", _ServerTls)), None)
    if not in_use or seen is None:
        return TlsFacts(in_use, None, None, None, certificate_checked="no")
    checked = CERTIFICATE_CHECKED.get(endpoint.sslmode, "no")
    return TlsFacts(in_use, seen.version, seen.cipher, seen.bits, certificate_checked=checked)


def _latency_ms(connection: Connection) -> float:
    samples = []
    for _ in range(ROUND_TRIPS):
        started = time.perf_counter()
        connection.execute("SELECT 1")
        samples.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(samples), 2)


def _free_bytes(
    server: Server,
    connection: Connection,
    settings: SettingFacts,
    privileges: PrivilegeFacts,
    *,
    notes: list[str],
) -> int | None:
    if server.is_source:
        return None
    try:
        return free_disk_bytes(connection, settings, privileges)
    except DiskNotMeasured as error:
        notes.append(error.message)
        return None


def _data_bytes(databases: list[DatabaseRow], *, notes: list[str]) -> int | None:
    hidden = [row.name for row in databases if row.size_bytes is None]
    if hidden:
        notes.append(f"The size of {', '.join(hidden[:5])} cannot be measured: no CONNECT privilege.")
    sizes = [row.size_bytes for row in databases if row.size_bytes is not None]
    return sum(sizes) if sizes else None


def _extensions(connection: Connection, *, notes: list[str]) -> tuple[ExtensionFacts, ...] | None:
    try:
        return tuple(fetch(connection, "available_extensions", ExtensionFacts))
    except EngineError as error:
        notes.append(f"The list of available extensions cannot be read: {error.server_message or error.message}")
        return None
