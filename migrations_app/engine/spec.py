"""What to migrate, as frozen values: the engine's only input."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Side(StrEnum):
    """Which of the two servers is meant."""

    SOURCE = "source"
    TARGET = "target"


class MigrationOption(StrEnum):
    """Microsoft's migration option."""

    VALIDATE = "Validate"
    MIGRATE = "Migrate"
    VALIDATE_AND_MIGRATE = "ValidateAndMigrate"


class MigrationMode(StrEnum):
    """Microsoft's migration mode."""

    OFFLINE = "Offline"
    ONLINE = "Online"


class RolePolicy(StrEnum):
    """What to do with the source's roles."""

    COPY = "copy"
    COPY_WITHOUT_PASSWORDS = "copy_without_passwords"
    SKIP = "skip"


class VerificationLevel(StrEnum):
    """How source and target are compared after the copy."""

    FULL = "full"
    COUNTS = "counts"
    NONE = "none"


class OnObjectError(StrEnum):
    """What to do when an object cannot be restored on the target."""

    STOP = "stop"
    CONTINUE = "continue"


class AtWarnings(StrEnum):
    """What to do when the validation found warnings and nothing worse."""

    GO_ON = "go_on"
    WAIT = "wait"


@dataclass(frozen=True)
class Endpoint:
    """One server and how to log in to it. ``ca_file`` is a path to a PEM file or None."""

    side: Side
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sslmode: str = "prefer"
    ca_file: str | None = None
    database: str = "postgres"

    @property
    def label(self) -> str:
        """``user@host:port``, safe to show and to log."""
        return f"{self.user}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Selection:
    """Which schemas and tables of a database move; empty means everything.

    Names are exact, tables are ``(schema, table)``. An exclusion wins over an inclusion.
    """

    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_tables: tuple[tuple[str, str], ...] = ()
    exclude_tables: tuple[tuple[str, str], ...] = ()

    def takes(self, schema: str, table: str) -> bool:
        """Tell whether ``schema.table`` is part of the migration."""
        if schema in self._left_out or (schema, table) in self._left_out:
            return False
        return not self._chosen or schema in self._chosen or (schema, table) in self._chosen

    @cached_property
    def _left_out(self) -> frozenset[str | tuple[str, str]]:
        """Sets, since a person may choose among 100,000 tables."""
        return frozenset((*self.exclude_schemas, *self.exclude_tables))

    @cached_property
    def _chosen(self) -> frozenset[str | tuple[str, str]]:
        return frozenset((*self.include_schemas, *self.include_tables))

    @cached_property
    def chosen_schemas(self) -> frozenset[str]:
        """The schemas that are named, be it by one of their tables; empty means every schema."""
        return frozenset((*self.include_schemas, *(schema for schema, _ in self.include_tables)))

    @property
    def is_everything(self) -> bool:
        """True when nothing was left out."""
        return self == Selection()


@dataclass(frozen=True)
class DatabaseSpec:
    """One database to move. ``id`` is the portal's identifier of it.

    ``finished`` tells how an earlier run of this migration ended it (a ``CheckResult`` or ``not_verified``).
    """

    id: str
    source_name: str
    target_name: str
    overwrite: bool = False
    selection: Selection = Selection()
    finished: str = ""


@dataclass(frozen=True)
class Options:
    """How the work is done. ``split_bytes``: tables larger than this are copied in parts.

    ``target_free_bytes`` is what the person stated, where the portal cannot measure it.
    """

    jobs: int = 4
    split_bytes: int = 1024 * 1024 * 1024
    roles: RolePolicy = RolePolicy.COPY
    verification: VerificationLevel = VerificationLevel.FULL
    on_object_error: OnObjectError = OnObjectError.CONTINUE
    target_free_bytes: int | None = None
    at_warnings: AtWarnings = AtWarnings.GO_ON


class ApplyChoice(StrEnum):
    """Which apply engine follows the changes; ``auto`` asks the servers what they allow."""

    AUTO = "auto"
    SERVER_TO_SERVER = "server_to_server"
    THROUGH_PORTAL = "through_portal"


class WithoutIdentity(StrEnum):
    """What to do with tables whose rows the source cannot tell apart (no primary key, no replica identity).

    ``full`` alters the source's tables: REPLICA IDENTITY FULL, taken back at the end.
    """

    COPY_AT_CUTOVER = "copy_at_cutover"
    FULL = "full"
    INSERTS_ONLY = "inserts_only"


@dataclass(frozen=True)
class OnlineOptions:
    """How an online migration follows and cuts over.

    ``heartbeat``: we may make a schema ``_migration_portal`` with one table on the source, dropped at the end.
    ``source_as_seen_by_target`` is ``host:port`` where the target reaches the source at another address than ours.
    ``sequence_headroom``: how many values each sequence skips. ``cutover_seconds``: the time box, after which a cutover
    is undone.

    People are warned when the slot holds back more than ``retained_wal_bytes``, when what is applied is more than
    ``lag_alarm_seconds`` old though it had caught up, and when the source's room for its log lasts less than
    ``room_alarm_seconds``. With ``protect_source`` the slot is given up at ``give_up_wal_bytes``, or shortly before the
    source's disk is full: the migration fails, and the source goes on. The days are told by the portal's pages: how
    long a migration may take, and how long it may wait for its cutover, before people are reminded; 0 is never.
    """

    apply: ApplyChoice = ApplyChoice.AUTO
    without_identity: WithoutIdentity = WithoutIdentity.COPY_AT_CUTOVER
    heartbeat: bool = True
    source_as_seen_by_target: str = ""
    sequence_headroom: int = 1000
    cutover_seconds: int = 600
    cutover_verification: VerificationLevel = VerificationLevel.COUNTS
    fall_back: bool = False
    retained_wal_bytes: int = 10 * 1024 * 1024 * 1024
    lag_alarm_seconds: int = 300
    room_alarm_seconds: int = 4 * 3600
    protect_source: bool = False
    give_up_wal_bytes: int = 20 * 1024 * 1024 * 1024
    warn_after_days: int = 7
    warn_cutover_days: int = 3


@dataclass(frozen=True)
class MigrationSpec:
    """Everything one migration needs to run; built from the portal's rows, or by hand in a test.

    ``validated`` tells that an earlier run of this migration passed validation.
    """

    id: str
    name: str
    source: Endpoint
    target: Endpoint
    databases: tuple[DatabaseSpec, ...]
    source_type: str = "OnPremises"
    option: MigrationOption = MigrationOption.VALIDATE_AND_MIGRATE
    mode: MigrationMode = MigrationMode.OFFLINE
    options: Options = Options()
    online: OnlineOptions = OnlineOptions()
    validated: bool = False
