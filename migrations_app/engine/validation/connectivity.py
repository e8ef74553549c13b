"""Findings about servers and databases that cannot be reached."""

from __future__ import annotations

from migrations_app.engine.errors import ConnectionFailed, EngineError
from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import DatabaseSpec
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.wording import counted

UNREACHABLE = code(
    "603000",
    Level.FAILED,
    "Server cannot be reached",
    why="Nothing can be moved without a connection to both servers.",
    side=FindingSide.BOTH,
)
TLS_REFUSED = code(
    "603001",
    Level.FAILED,
    "TLS cannot be agreed on",
    why="The connection must be encrypted as the TLS mode demands, or it is not made.",
    side=FindingSide.BOTH,
)
WRONG_PASSWORD = code(
    "603100",
    Level.FAILED,
    "Login refused",
    why="The migration logs in with this user and password for as long as it runs.",
    side=FindingSide.BOTH,
)
POOLED = code(
    "PM1004",
    Level.FAILED,
    "Connection leads to a pooler",
    why="A migration keeps a snapshot, settings and temporary state in its sessions; a pooler that hands sessions "
    "around loses them.",
    side=FindingSide.BOTH,
)
NOT_READABLE = code(
    "PM1000",
    Level.UNKNOWN,
    "Checks that could not run",
    why="What was not checked may fail during the migration.",
    side=FindingSide.BOTH,
)
NOT_OPENED = code(
    "PM2000",
    Level.FAILED,
    "Source database cannot be opened",
    why="Its tables are read through connections to that database.",
    side=FindingSide.SOURCE,
)

TLS_KINDS = {"tls_required", "tls_refused", "ca_missing", "ca_wrong", "certificate_expired", "host_mismatch"}

CODE_OF_KIND = {"wrong_password": WRONG_PASSWORD, "pooler": POOLED}


def unreachable(server: Server, error: EngineError) -> Finding:
    """Return the finding for a server that could not be looked at."""
    kind = error.kind if isinstance(error, ConnectionFailed) else ""
    code_ = TLS_REFUSED if kind in TLS_KINDS else CODE_OF_KIND.get(kind, UNREACHABLE)
    return code_.found(
        f"{server.endpoint.side.capitalize()} {server.endpoint.host}:{server.endpoint.port}",
        saw=error.message,
        fix=error.hint,
        server_message=error.server_message,
        side=FindingSide(server.endpoint.side),
    )


def not_run(server: Server, *, count: int) -> Finding:
    """Return the finding that the other rules could not run because ``server`` was not seen."""
    return NOT_READABLE.found(
        f"{server.endpoint.side.capitalize()} {server.endpoint.host}:{server.endpoint.port}",
        saw=f"{counted(count, 'check')} did not run, because this server could not be looked at.",
        fix="Mend the connection first, then validate again.",
        side=FindingSide(server.endpoint.side),
    )


def could_not_open(database: DatabaseSpec, error: EngineError) -> Finding:
    """Return the finding for a source database that could not be opened or was lost while it was checked."""
    return NOT_OPENED.found(
        database.source_name,
        saw=error.message,
        fix=error.hint,
        server_message=error.server_message,
    )
