"""Rows of the catalog queries that several rules share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RelationRow:
    """A row of queries/validation_relations.sql; ``kind`` is pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str
    owner: str
    is_unlogged: bool
    is_partition: bool
    has_oids: bool
    hides_rows: bool
    forces_row_security: bool
    has_rights_of_owner: bool
    may_select: bool
    may_use_schema: bool
    tablespace: str | None

    @property
    def label(self) -> str:
        """``schema.name`` for people."""
        return f"{self.schema}.{self.name}"

    @property
    def qualified(self) -> tuple[str, str]:
        """Schema and name, to be quoted."""
        return self.schema, self.name


@dataclass(frozen=True)
class RoleRow:
    """A row of queries/validation_roles.sql."""

    name: str
    superuser: bool
    inherit: bool
    create_role: bool
    create_database: bool
    login: bool
    replication: bool
    bypass_rls: bool
    connection_limit: int
    may_become: bool
    may_administer: bool


@dataclass(frozen=True)
class OwnerRow:
    """A row of queries/validation_owners.sql."""

    name: str
    owns: bool


@dataclass(frozen=True)
class CollationRow:
    """A row of validation_known_collations.sql; ``provider`` is c (libc), i (ICU), b (built in), d (default)."""

    schema: str
    name: str
    provider: str
    encoding: str | None
    collate: str | None
    ctype: str | None
    locale: str | None


@dataclass(frozen=True)
class ExtensionRow:
    """A row of queries/validation_extensions.sql."""

    name: str
    version: str
    schema: str
    owner: str


@dataclass(frozen=True)
class UsedCollationRow:
    """A row of queries/validation_collations.sql: a collation that is user-defined or used by something."""

    schema: str
    name: str
    provider: str
    collate: str | None
    ctype: str | None
    locale: str | None
    uses: int
    example: str | None
