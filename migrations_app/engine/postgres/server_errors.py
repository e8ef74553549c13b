"""What a server's error means for a migration, and what to do: the SQLSTATE decides, never the language of the text."""

from __future__ import annotations

import re

from migrations_app.engine.errors import ConnectionLost, EngineError, LeaseLost, LockWaitedTooLong
from migrations_app.engine.spec import Endpoint

# https://www.postgresql.org/docs/18/errcodes-appendix.html
REMEDIES: dict[str, tuple[str, str]] = {
    "53100": (
        "The disk of {label} is full.",
        "Enlarge the storage or free space on that server (1.25 times the size of the databases is safe), then resume.",
    ),
    "53200": (
        "{label} ran out of memory or of lock space.",
        "Raise max_locks_per_transaction (or memory) on that server and restart it, then resume.",
    ),
    "53300": (
        "{label} has no free connection.",
        "End idle sessions, raise max_connections, or lower the parallelism of this migration; then resume.",
    ),
    "25006": (
        "{label} is read-only.",
        "Make it writable: connect to the primary, and set default_transaction_read_only to off; then resume.",
    ),
    "42501": (
        "The user of {label} lacks a privilege.",
        "Grant what the server's message names, then resume.",
    ),
    "3D000": (
        "A database on {label} no longer exists.",
        "Somebody dropped or renamed it while the migration ran. Recreate it, or start a new migration without it.",
    ),
    "55P03": (
        "A lock on {label} was not granted in time.",
        "Somebody holds a lock that conflicts; look into pg_stat_activity and pg_locks there, then resume.",
    ),
    "57014": (
        "{label} canceled a statement of the migration.",
        "Somebody canceled it, or a timeout set for the role or database did; resume when that is clear.",
    ),
    "42P01": (
        "A table on {label} no longer exists.",
        "Somebody changed the schema while the migration ran; resume to look again.",
    ),
}
LOCK_NOT_GRANTED = "55P03"
OTHER_RUN = "PM001"  # raised by our own function in the target database
GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "08000", "08003", "08006", "08001", "08004"}
CONNECTION_WORDS = re.compile(
    r"server closed the connection|connection to server|could not receive data|could not send data|SSL SYSCALL"
    r"|terminating connection|connection not open|starting up|shutting down",
    re.IGNORECASE,
)
NO_DATABASE = re.compile(r'database ".*" does not exist', re.DOTALL)
# pg_dump passes on a server's words without its SQLSTATE.
WORDS_OF_PG_DUMP = (
    (re.compile(r"permission denied|must be owner"), "42501"),
    (re.compile(r"No space left on device"), "53100"),
    (re.compile(r"out of shared memory|out of memory"), "53200"),
    (re.compile(r"statement timeout|user request|lock timeout"), "57014"),
)
VERBOSE_ERROR = re.compile(r"(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}):\s")


def sqlstate_in(text: str) -> str:
    """Return the SQLSTATE in psql's verbose output, or the one that pg_dump's words stand for, or an empty string."""
    found = VERBOSE_ERROR.search(text)
    if found:
        return found.group(1)
    if not text.startswith("pg_dump:"):
        return ""
    return next((sqlstate for words, sqlstate in WORDS_OF_PG_DUMP if words.search(text)), "")


def explain_failure(
    text: str,
    *,
    endpoint: Endpoint,
    sqlstate: str = "",
    kind: type[EngineError],
    what: str = "",
) -> EngineError:
    """Return the typed error for a server's refusal.

    ``ConnectionLost`` when the server or the connection went away, else ``kind``; ``what`` names the step.
    """
    sqlstate = sqlstate or sqlstate_in(text)
    if sqlstate == OTHER_RUN:
        return LeaseLost("A newer run works on this target database.")
    prefix = f"{what}: " if what else ""
    if sqlstate in ("", "3D000") and NO_DATABASE.search(text):
        sqlstate = "3D000"
    if sqlstate == LOCK_NOT_GRANTED or "due to lock timeout" in text:
        message, hint = REMEDIES[LOCK_NOT_GRANTED]
        return LockWaitedTooLong(f"{prefix}{message.format(label=endpoint.label)}", hint=hint, server_message=text)
    if sqlstate != "3D000" and (sqlstate in GONE or (not sqlstate and CONNECTION_WORDS.search(text))):
        return ConnectionLost(
            f"{prefix}the connection to {endpoint.label} was lost.",
            hint="Look whether the server was restarted or the network cut the connection; then resume.",
            server_message=text,
        )
    message, hint = REMEDIES.get(
        sqlstate, ("{label} refused a statement.", "The server's own message says why; mend the cause, then resume.")
    )
    return kind(f"{prefix}{message.format(label=endpoint.label)}", hint=hint, server_message=text)
