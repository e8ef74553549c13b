"""Rules about the source's roles: what cannot be copied, and what is already there but different."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.spec import RolePolicy
from migrations_app.engine.validation.azure_target import on_azure, read_azure
from migrations_app.engine.validation.catalog import OwnerRow, RoleRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.wording import capped, counted, listed, statement

ATTRIBUTES = {
    "superuser": "SUPERUSER",
    "create_role": "CREATEROLE",
    "create_database": "CREATEDB",
    "login": "LOGIN",
    "replication": "REPLICATION",
    "bypass_rls": "BYPASSRLS",
    "inherit": "INHERIT",
}
RESTRICTED = ("superuser", "replication", "bypass_rls")

ATTRIBUTES_DROPPED = code(
    "PM1040",
    Level.WARNING,
    "Role attributes that the target user may not give",
    why="Only a superuser gives SUPERUSER; REPLICATION and BYPASSRLS need a superuser, or from PostgreSQL 16 on a user "
    "that has them. The role is created without them.",
    side=FindingSide.TARGET,
)
PASSWORDS_HIDDEN = code(
    "PM1041",
    Level.INFO,
    "Passwords cannot be read",
    why="Password hashes are in pg_authid, which only superusers may read; managed services let nobody.",
    side=FindingSide.TARGET,
)
ROLE_DIFFERS = code(
    "PM1042",
    Level.WARNING,
    "Role exists on the target with other attributes",
    why="Existing roles of the target are left as they are; applications may miss a right, or have one too many.",
    side=FindingSide.TARGET,
)
OWNER_MISSING = code(
    "PM1043",
    Level.WARNING,
    "Owners that will not exist on the target",
    why="Roles are not copied; what belongs to a missing role will belong to the target user, and grants to it "
    "are lost.",
    side=FindingSide.TARGET,
)
TARGET_PROVIDERS_NAME = code(
    "PM1046",
    Level.WARNING,
    "Role bears a name of the target's provider",
    why="The migration gives nothing to such a role and makes nobody its member: its members would become "
    "administrators of the target, or the target would refuse.",
    side=FindingSide.SOURCE,
)
OWNER_OUT_OF_REACH = code(
    "PM1044",
    Level.WARNING,
    "Target user may not act for an owner",
    why="Giving an object to its owner needs membership in that role (with the SET option from PostgreSQL 16 on). "
    "Else the object stays with the target user, which the verification reports.",
    side=FindingSide.TARGET,
)
MD5_PASSWORDS = code(
    "PM1045",
    Level.INFO,
    "Passwords are kept as MD5 hashes",
    why="The hashes are copied as they are. PostgreSQL 18 warns of them and a later version will not know them; where "
    "a server asks for SCRAM, a role with an MD5 hash cannot log in.",
    side=FindingSide.SOURCE,
)


def _copied(context: ServerContext) -> list[RoleRow]:
    """Return the source's roles that are people's own."""
    return [role for role in context.source.roles.values() if not context.source.provider.owns_role(role.name)]


@server_rule(ATTRIBUTES_DROPPED)
def role_attributes(context: ServerContext) -> Iterator[Finding]:
    """Every attribute of the source's roles can be given by the target user."""
    if context.spec.options.roles is RolePolicy.SKIP or context.target.superuser:
        return
    findings = []
    for role in _copied(context):
        lost = [name for name in RESTRICTED if getattr(role, name) and not _may_give(context, name)]
        if lost and role.name not in context.target.roles:
            words = " ".join(ATTRIBUTES[name] for name in lost)
            findings.append(
                ATTRIBUTES_DROPPED.found(
                    f"Role {role.name}",
                    saw=f"The role has {words}; the target user {context.target.user} may not give that.",
                    fix="If the role needs it, run the script on the target as an administrator after the migration.",
                    fix_sql=statement("ALTER ROLE {}", role.name) + f" {words};",
                    script_use=ScriptUse.AFTER,
                )
            )
    yield from capped(findings, ATTRIBUTES_DROPPED, what="roles")


def _may_give(context: ServerContext, attribute: str) -> bool:
    facts = context.target.facts
    return attribute != "superuser" and facts.major >= 16 and bool(getattr(facts.privileges, attribute))


@server_rule(PASSWORDS_HIDDEN)
def role_passwords(context: ServerContext) -> Iterator[Finding]:
    """The source user may read password hashes, if roles are to be copied with their passwords."""
    if context.spec.options.roles is not RolePolicy.COPY or context.source.facts.privileges.read_password_hashes:
        return
    names = [role.name for role in _copied(context) if role.login and role.name not in context.target.roles]
    if names:
        yield PASSWORDS_HIDDEN.found(
            f"Source user {context.source.user}",
            saw=f"{counted(len(names), 'role')} that can log in will be created without a password: {listed(names)}.",
            fix="Set their passwords on the target after the migration, or log in to the source as a superuser.",
            fix_sql="\n".join(statement("ALTER ROLE {} PASSWORD '…';", name) for name in names),
        )


@dataclass(frozen=True)
class NameRow:
    """A row of queries/validation_md5_roles.sql."""

    name: str


@server_rule(MD5_PASSWORDS)
def md5_passwords(context: ServerContext) -> Iterator[Finding]:
    """Tells which roles that are copied have a password that is kept as an MD5 hash."""
    readable = context.source.facts.privileges.read_password_hashes
    if context.spec.options.roles is not RolePolicy.COPY or not readable:
        return
    with context.source.connected() as connection:
        hashed = {row.name for row in fetch(connection, "validation_md5_roles", NameRow)}
    names = [role.name for role in _copied(context) if role.name in hashed and role.name not in context.target.roles]
    if not names:
        return
    methods = read_azure(context).accepted_methods if on_azure(context) else None
    refused = methods is not None and "md5" not in methods
    yield MD5_PASSWORDS.found(
        counted(len(names), "role"),
        saw=f"{listed(names)} have MD5 hashes."
        + (f" The target accepts {methods} only (azure.accepted_password_auth_method)." if refused else ""),
        fix="Set password_encryption to scram-sha-256 and give them their passwords again, on the source before the "
        "migration or on the target after it."
        + (" Or add MD5 to azure.accepted_password_auth_method in the target's server parameters." if refused else ""),
        fix_sql="SET password_encryption = 'scram-sha-256';\n"
        + "\n".join(statement("ALTER ROLE {} PASSWORD '…';", name) for name in names),
        level=Level.WARNING if refused else None,
    )


@server_rule(ROLE_DIFFERS)
def existing_roles(context: ServerContext) -> Iterator[Finding]:
    """Roles that exist on both servers have the same attributes."""
    findings = []
    for role in _copied(context):
        existing = context.target.roles.get(role.name)
        if existing is None or role.name == context.source.user:
            continue
        differing = [name for name in ATTRIBUTES if getattr(role, name) != getattr(existing, name)]
        if differing:
            findings.append(_differs(role, existing, differing))
    yield from capped(findings, ROLE_DIFFERS, what="roles")


def _differs(role: RoleRow, existing: RoleRow, differing: list[str]) -> Finding:
    return ROLE_DIFFERS.found(
        f"Role {role.name}",
        saw=f"On the source it has {_words(role, differing)}; on the target {_words(existing, differing)}.",
        fix="If the source is right, run the script on the target.",
        fix_sql=statement("ALTER ROLE {}", role.name) + f" {_words(role, differing)};",
        script_use=ScriptUse.CHOICE,
    )


def _words(role: RoleRow, names: list[str]) -> str:
    return " ".join(ATTRIBUTES[name] if getattr(role, name) else f"NO{ATTRIBUTES[name]}" for name in names)


@database_rule(OWNER_MISSING, OWNER_OUT_OF_REACH)
def owners(context: DatabaseContext) -> Iterator[Finding]:
    """Every role that owns or was granted something will exist on the target, and its owners can be set there."""
    rows = context.owners
    rows = [row for row in rows if not context.source.provider.owns_role(row.name)]
    missing = [row.name for row in rows if row.name not in context.target.roles]
    if missing and context.servers.spec.options.roles is RolePolicy.SKIP:
        yield OWNER_MISSING.found(
            f"{counted(len(missing), 'role')} of {context.database.source_name}",
            saw=f"The target has no {listed(missing)}.",
            fix="Let the migration copy roles, or create them on the target before.",
            fix_sql="\n".join(statement("CREATE ROLE {};", name) for name in missing),
        )
    findings = [_out_of_reach(context, row) for row in rows if row.owns and _is_out_of_reach(context, row.name)]
    yield from capped(findings, OWNER_OUT_OF_REACH, what="owners")


@database_rule(TARGET_PROVIDERS_NAME)
def names_of_the_targets_provider(context: DatabaseContext) -> Iterator[Finding]:
    """No role that owns or was granted something bears a name that is the target provider's own."""
    name, source, target = context.database.source_name, context.source.provider, context.target.provider
    for row in context.owners:
        if row.name.startswith("pg_") or source.owns_role(row.name) or not target.owns_role(row.name):
            continue
        script = [statement("REASSIGN OWNED BY {} TO {};", row.name, context.source.user)] if row.owns else []
        yield TARGET_PROVIDERS_NAME.found(
            f"Role {row.name}",
            saw=f"It {'owns objects of' if row.owns else 'was granted rights in'} {name}; on {target.name} the name is "
            "the service's own.",
            fix=f"Run the script on the source in {name}, or go on: what it was granted is left out, and told.",
            fix_sql="\n".join([*script, statement("DROP OWNED BY {};", row.name)]),
            script_use=ScriptUse.CHOICE,
        )


def _is_out_of_reach(context: DatabaseContext, name: str) -> bool:
    """Tell whether the existing role cannot be acted for, nor can the membership be granted by the user itself."""
    existing = context.target.roles.get(name)
    if existing is None or existing.may_become:
        return False
    may_grant = context.target.facts.privileges.create_role and context.target.facts.major < 16
    return not (existing.may_administer or (may_grant and not existing.superuser))


def _out_of_reach(context: DatabaseContext, row: OwnerRow) -> Finding:
    return OWNER_OUT_OF_REACH.found(
        f"Role {row.name}",
        saw=f"It owns objects of {context.database.source_name}, exists on the target, and {context.target.user} is "
        "not a member of it there.",
        fix="Run the script on the target as an administrator.",
        fix_sql=statement("GRANT {} TO {};", row.name, context.target.user),
    )
