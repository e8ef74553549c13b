"""Read the roles of a server: attributes, passwords where they can be read, memberships, settings."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import ReadDenied, fetch
from migrations_app.engine.providers.fingerprint import recognize


@dataclass(frozen=True)
class Role:
    """One role as pg_roles shows it."""

    name: str
    superuser: bool
    inherit: bool
    createrole: bool
    createdb: bool
    login: bool
    replication: bool
    bypassrls: bool
    connection_limit: int
    valid_until: str | None
    comment: str | None


@dataclass(frozen=True)
class Membership:
    """``member`` belongs to ``role``; ``inherit`` and ``may_set`` are None before version 16."""

    role: str
    member: str
    admin: bool
    inherit: bool | None
    may_set: bool | None


@dataclass(frozen=True)
class RoleSetting:
    """``ALTER ROLE … [IN DATABASE …] SET``; an empty name means all. ``setting`` is ``name=value``."""

    database: str
    role: str
    setting: str


@dataclass(frozen=True)
class _Password:
    name: str
    password: str


@dataclass(frozen=True)
class SourceRoles:
    """All roles of a server that are worth copying. ``passwords`` is None when they may not be read."""

    roles: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    settings: tuple[RoleSetting, ...]
    passwords: dict[str, str] | None

    def __repr__(self) -> str:
        """Without the password hashes."""
        return f"SourceRoles({len(self.roles)} roles)"


def read_roles(connection: Connection, *, host: str, with_passwords: bool) -> SourceRoles:
    """Read the roles of the server behind ``connection``, without those of PostgreSQL and of the provider."""
    provider = recognize(connection, host=host).provider
    roles = tuple(role for role in fetch(connection, "copied_roles", Role) if not provider.owns_role(role.name))
    names = {role.name for role in roles}
    memberships = tuple(
        found
        for found in fetch(connection, "copied_role_memberships", Membership)
        if found.member in names and (found.role in names or found.role.startswith("pg_"))
    )
    settings = tuple(fetch(connection, "copied_role_settings", RoleSetting))
    return SourceRoles(roles, memberships, settings, _passwords(connection) if with_passwords else None)


def _passwords(connection: Connection) -> dict[str, str] | None:
    try:
        return {row.name: row.password for row in fetch(connection, "copied_role_passwords", _Password)}
    except ReadDenied:
        return None
