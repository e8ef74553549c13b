"""What a look at a server, its databases and their tables brings: frozen values that JSON can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class _Facts:
    """Values that can be kept as JSON."""

    def as_dict(self) -> dict[str, Any]:
        """Return the values as dicts, lists and scalars."""
        return asdict(self)


@dataclass(frozen=True)
class TlsFacts:
    """Encryption of the session. ``certificate_checked`` is ``no``, ``authority`` or ``authority and host name``."""

    in_use: bool
    version: str | None
    cipher: str | None
    bits: int | None
    certificate_checked: str


@dataclass(frozen=True)
class PrivilegeFacts:
    """What the user that is logged in may do; see queries/server_privileges.sql."""

    user: str
    superuser: bool
    create_role: bool
    create_database: bool
    replication: bool
    bypass_rls: bool
    read_password_hashes: bool
    set_session_replication_role: bool
    read_all_data: bool
    create_temporary_tables: bool
    read_all_settings: bool
    read_all_stats: bool
    signal_backends: bool
    execute_programs: bool
    create_subscriptions: bool
    valid_until: str | None
    member_of: list[str]


@dataclass(frozen=True)
class SettingFacts:
    """The settings that matter; None where the user may not see the value. See queries/server_settings.sql.

    ``lock_holders`` times ``max_locks_per_transaction`` is the size of the server's lock table.
    """

    version_number: int
    version_text: str
    in_recovery: bool
    read_only_by_default: bool | None
    transaction_read_only: bool
    encoding: str
    max_connections: int
    superuser_reserved_connections: int
    reserved_connections: int
    used_connections: int
    role_connection_limit: int
    role_connections: int
    max_locks_per_transaction: int
    max_prepared_transactions: int
    lock_holders: int
    wal_level: str
    max_wal_senders: int
    max_replication_slots: int
    used_replication_slots: int
    shared_preload_libraries: str | None
    data_directory: str | None
    unix_socket_directories: str | None
    has_icu: bool
    offers_tls: bool
    server_port: int
    started_at: str

    @property
    def lock_slots(self) -> int:
        """How many locks the server can hold at once, at least.

        https://www.postgresql.org/docs/18/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION
        """
        return self.lock_holders * self.max_locks_per_transaction

    def free_connections(self, *, superuser: bool) -> int:
        """Return how many more sessions this user may open now."""
        reserved = 0 if superuser else self.superuser_reserved_connections + self.reserved_connections
        free = self.max_connections - reserved - self.used_connections
        if self.role_connection_limit >= 0 and not superuser:
            free = min(free, self.role_connection_limit - self.role_connections)
        return max(free, 0)


@dataclass(frozen=True)
class ExtensionFacts:
    """An extension that can be created on the server."""

    name: str
    default_version: str | None
    needs_superuser: bool | None
    trusted: bool | None


@dataclass(frozen=True)
class ServerFacts(_Facts):
    """One look at a server. ``notes`` says what could not be seen, and why.

    ``latency_ms`` is the median of a few round trips. ``pooler`` is ``""``, ``session`` or ``transaction``.
    ``free_bytes`` is what the disk of the data directory has left, where it can be measured;
    ``data_bytes`` the size of all databases that this user may measure.
    """

    host: str
    port: int
    database: str
    major: int
    provider: str
    provider_name: str
    provider_evidence: tuple[str, ...]
    allowed_extensions: tuple[str, ...] | None
    identity: str
    pooler: str
    tls: TlsFacts
    latency_ms: float
    privileges: PrivilegeFacts
    settings: SettingFacts
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    free_connections: int
    free_bytes: int | None
    data_bytes: int | None
    extensions: tuple[ExtensionFacts, ...] | None
    notes: tuple[str, ...]

    @property
    def label(self) -> str:
        """``host:port`` for people."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class DatabaseRow:
    """A row of queries/databases.sql."""

    oid: int
    name: str
    owner: str | None
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    locale: str | None
    collation_version: str | None
    is_template: bool
    allows_connections: bool
    connection_limit: int
    tablespace: str | None
    may_connect: bool
    is_owner: bool
    size_bytes: int | None


@dataclass(frozen=True)
class DatabaseFacts(_Facts, DatabaseRow):
    """A database. ``table_count`` and ``extensions`` are None where it was not opened; ``problem`` says why."""

    table_count: int | None = None
    extensions: tuple[str, ...] | None = None
    problem: str = ""

    @property
    def connectable(self) -> bool:
        """Tell whether this user can open the database, as far as its catalog row says."""
        return self.allows_connections and self.may_connect


@dataclass(frozen=True)
class TableFacts(_Facts):
    """A table, view or sequence. ``rows_estimate`` is -1 or 0 for a table that was never analyzed."""

    schema: str
    name: str
    kind: str
    owner: str
    bytes: int
    rows_estimate: int
    has_primary_key: bool
    is_partition: bool
    is_unlogged: bool
    has_row_security: bool
