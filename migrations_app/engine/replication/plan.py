"""What of a database is followed, and how each table's rows are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Treatment(StrEnum):
    """How the changes of a table reach the target."""

    FOLLOW = "follow"
    INSERTS_ONLY = "inserts_only"
    COPY_AT_CUTOVER = "copy_at_cutover"


class Identity(StrEnum):
    """What the source sends of the old row: pg_class.relreplident, with DEFAULT told apart by the primary key."""

    KEY = "key"
    INDEX = "index"
    FULL = "full"
    NONE = "none"


@dataclass(frozen=True)
class FollowedTable:
    """One table of the publication, or one that is copied again at cutover.

    ``columns`` leaves out generated columns; ``key_columns`` is empty unless ``identity`` is a key or an index.
    ``is_root``: a partitioned table whose partitions' changes are published as its own.
    """

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    identity: Identity
    key_columns: tuple[str, ...]
    treatment: Treatment
    is_root: bool = False

    @property
    def full_name(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name

    @property
    def label(self) -> str:
        """``schema.table`` for people."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class ReplicationPlan:
    """What is made on the source for one database. ``name`` is that of the publication, the slot and the subscription.

    ``with_heartbeat``: a table of ours, ``_migration_portal.heartbeat``, may be made on the source. ``again``: followed
    tables and partitions whose rows are copied again at the cutover all the same, since their definition was changed.
    """

    name: str
    tables: tuple[FollowedTable, ...]
    with_heartbeat: bool
    again: tuple[tuple[str, str], ...] = ()

    @property
    def followed(self) -> tuple[FollowedTable, ...]:
        """The tables of the publication."""
        return tuple(table for table in self.tables if table.treatment is not Treatment.COPY_AT_CUTOVER)

    @property
    def passed_over(self) -> frozenset[int]:
        """The OIDs of tables whose changes need not be applied, since all rows are copied again."""
        return frozenset(
            table.oid
            for table in self.tables
            if table.treatment is Treatment.COPY_AT_CUTOVER or table.full_name in self.again
        )

    @property
    def copied_at_cutover(self) -> tuple[FollowedTable, ...]:
        """The tables whose rows are copied again while the source is fenced."""
        return tuple(table for table in self.tables if table.treatment is Treatment.COPY_AT_CUTOVER)
