"""Why a migration failed, as a card and not as a stack trace."""

from __future__ import annotations

import re
from dataclasses import dataclass

from migrations_app.models import Migration, MigrationDatabase, State, TableCopy
from migrations_app.selectors.migration_page import MigrationPage
from migrations_app.selectors.tables import failed_tables

FAILED_STATES = (State.FAILED, State.VALIDATION_FAILED)


@dataclass(frozen=True)
class Cause:
    """Why a server says such a thing, usually, and what to do then."""

    pattern: re.Pattern[str]
    why: str
    remedy: str = ""


def _cause(pattern: str, why: str, remedy: str = "") -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE), why, remedy)


CAUSES = (
    _cause(
        r"no space left on device|could not extend file|disk full",
        "The disk of that server is full. The target needs the size of the data, its indexes, and the WAL of the copy.",
        "Enlarge the disk or free space on it, then resume.",
    ),
    _cause(
        r"password authentication failed|authentication failed",
        "The password or the user name is not the one that the server knows; it may have changed since the set-up.",
    ),
    _cause(
        r"no pg_hba\.conf entry",
        "The server has no rule in pg_hba.conf (or in its firewall rules) that lets this user in from this address.",
        "Add a rule for this portal's address, then resume.",
    ),
    _cause(
        r"certificate verify failed|root certificate|server certificate|does not support SSL",
        "Server and portal do not agree about TLS: certificate, issuer or host name is not the expected one.",
    ),
    _cause(
        r"connection refused|could not connect|timeout expired|timed out|no route to host"
        r"|could not translate host name",
        "The server is down, or a firewall or a wrong address lies between the portal and it.",
        "Make the server reachable from the portal's machine, then resume.",
    ),
    _cause(
        r"terminating connection due to administrator command|the database system is (shutting down|starting up)"
        r"|server closed the connection|SSL SYSCALL error|connection reset|EOF detected|terminated abnormally",
        "The server was restarted, or something between the portal and the server cut the connection.",
        "Wait until the server answers again, then resume: what is complete is kept.",
    ),
    _cause(
        r"idle[-_ ]in[-_ ]transaction",
        "The server ends transactions that wait; the snapshot of the copy is such a transaction.",
        "Set idle_in_transaction_session_timeout to 0 for the migration's user, then resume.",
    ),
    _cause(
        r"out of shared memory|max_locks_per_transaction",
        "The dump locks every table at once and the server's lock table is too small for that many.",
        "Raise max_locks_per_transaction, restart that server, then resume.",
    ),
    _cause(
        r"too many (connections|clients)|remaining connection slots",
        "All connections that the server allows are in use.",
        "Free connections or lower the parallelism of the migration, then resume.",
    ),
    _cause(
        r"read-only transaction|is in recovery mode|recovery is in progress",
        "That server takes no writes: it is a standby, or default_transaction_read_only is on.",
        "Make it writable or choose the primary, then resume.",
    ),
    _cause(
        r"permission denied|must be owner|must be superuser|must have admin option",
        "The migration's user lacks a right on that object.",
        "Grant the right that the server names, then resume.",
    ),
    _cause(
        r"extension .* is not available|could not open extension control file|not allow-listed",
        "The target has not installed, or does not allow, an extension that the source uses.",
        "Install it or allow it on the target, then resume.",
    ),
    _cause(
        r"database .* does not exist",
        "The database was dropped or renamed after the migration was set up.",
    ),
    _cause(
        r"being accessed by other users",
        "Somebody is connected to the target database, so that it cannot be replaced.",
        "End those sessions, then resume.",
    ),
    _cause(
        r"canceling statement due to (statement timeout|lock timeout)|lock_timeout",
        "A limit of the server ended the statement: it ran longer than the server allows, or waited for a lock.",
        "Set statement_timeout and lock_timeout to 0 for the migration's user, then resume.",
    ),
)


@dataclass(frozen=True)
class FailedDatabase:
    """One database that did not arrive."""

    database: MigrationDatabase
    cause: Cause | None


@dataclass(frozen=True)
class Failure:
    """What failed, on which object, in whose words, why that usually happens, what is on the target now."""

    message: str
    remedy: str
    server_message: str
    why: str
    databases: tuple[FailedDatabase, ...]
    tables: tuple[TableCopy, ...]
    step_label: str

    @property
    def on_target(self) -> list[tuple[str, str]]:
        """Pairs of a target database's name and what it holds now."""
        pairs = ((failed.database.target_name, failed.database.on_target) for failed in self.databases)
        return [(name, words) for name, words in pairs if words]


def failure_of(page: MigrationPage) -> Failure | None:
    """Return the failure card of a migration that failed, else None (one query)."""
    migration = page.migration
    if migration.state not in FAILED_STATES:
        return None
    failed = tuple(database for database in page.databases if database.state in FAILED_STATES or database.error)
    cause = cause_of(migration.error_server_message, migration.error)
    return Failure(
        message=migration.error or _first_error(failed) or _fallback(migration),
        remedy=migration.error_hint or (cause.remedy if cause else ""),
        server_message=migration.error_server_message,
        why=cause.why if cause else "",
        databases=tuple(FailedDatabase(row, cause_of(row.error_server_message, row.error)) for row in failed),
        tables=tuple(failed_tables(migration.pk)),
        step_label=page.failed.label if page.failed else "",
    )


def cause_of(*messages: str) -> Cause | None:
    """Return the usual cause of a server's message, if it is a known one."""
    return next((cause for message in messages if message for cause in CAUSES if cause.pattern.search(message)), None)


def _first_error(databases: tuple[MigrationDatabase, ...]) -> str:
    return next((f"{database.source_name}: {database.error}" for database in databases if database.error), "")


def _fallback(migration: Migration) -> str:
    if migration.state == State.VALIDATION_FAILED:
        return "The validation found something that would make the migration fail."
    return "The migration ended without a stated reason. The events show the last thing it did."
