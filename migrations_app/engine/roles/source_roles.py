"""Read the roles of a server: attributes, passwords where they can be read, memberships, settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import ReadDenied, fetch
from migrations_app.engine.providers import Provider
from migrations_app.engine.providers.fingerprint import recognize
from migrations_app.engine.providers_own import is_role_of


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
class RoleLabel:
    """``SECURITY LABEL FOR provider ON ROLE``."""

    role: str
    provider: str
    label: str


@dataclass(frozen=True)
class _Password:
    name: str
    password: str


@dataclass(frozen=True)
class SourceRoles:
    """All roles of a server that are worth copying. ``passwords`` is None when they may not be read.

    ``own_roles`` are the provider's and stay behind, and so do ``own_memberships``: those of copied roles in them.
    """

    roles: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    settings: tuple[RoleSetting, ...]
    labels: tuple[RoleLabel, ...]
    passwords: dict[str, str] | None
    provider: Provider
    own_roles: tuple[str, ...]
    own_memberships: tuple[Membership, ...]
    roles_of_target: tuple[str, ...] = ()

    def without_roles_of(self, target: Provider) -> SourceRoles:
        """Return the roles without those that bear a name of the target's provider, nor memberships in them."""
        names = {role.name for role in self.roles if is_role_of(target, role.name)}
        return replace(
            self,
            roles=tuple(role for role in self.roles if role.name not in names),
            memberships=tuple(each for each in self.memberships if not names & {each.role, each.member}),
            roles_of_target=tuple(sorted(names)),
        )

    def __repr__(self) -> str:
        """Without the password hashes."""
        return f"SourceRoles({len(self.roles)} roles)"


def read_roles(connection: Connection, *, host: str, with_passwords: bool) -> SourceRoles:
    """Read the roles of the server behind ``connection``, without those of PostgreSQL and of the provider."""
    provider = recognize(connection, host=host).provider
    found = fetch(connection, "copied_roles", Role)
    roles = tuple(role for role in found if not is_role_of(provider, role.name))
    names = {role.name for role in roles}
    memberships = [each for each in fetch(connection, "copied_role_memberships", Membership) if each.member in names]
    return SourceRoles(
        roles=roles,
        memberships=tuple(each for each in memberships if not is_role_of(provider, each.role)),
        settings=tuple(fetch(connection, "copied_role_settings", RoleSetting)),
        labels=tuple(each for each in fetch(connection, "copied_role_labels", RoleLabel) if each.role in names),
        passwords=_passwords(connection) if with_passwords else None,
        provider=provider,
        own_roles=tuple(role.name for role in found if role.name not in names),
        own_memberships=tuple(each for each in memberships if is_role_of(provider, each.role)),
    )


def _passwords(connection: Connection) -> dict[str, str] | None:
    try:
        return {row.name: row.password for row in fetch(connection, "copied_role_passwords", _Password)}
    except ReadDenied:
        return None
