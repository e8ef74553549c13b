"""Rules about what managed servers keep to themselves: casts, grants on the catalog, the schema public."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.azure_target import on_azure
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import counted, listed, statement

MAX_FIXES = 1_000
DEFAULT_OWNERS = frozenset({"postgres", "pg_database_owner"})

CAST = code(
    "603409",
    Level.WARNING,
    "Casts that the target user may not create",
    why="A cast without function needs a superuser, every other one the ownership of one of its two types. What uses "
    "the cast, such as a default or a view, fails with it.",
    side=FindingSide.SOURCE,
)
CATALOG_GRANT = code(
    "603410",
    Level.WARNING,
    "Grants on PostgreSQL's own catalog",
    why="pg_dump writes them into the dump; only a superuser may grant something on pg_catalog, so they are refused on "
    "the target.",
    side=FindingSide.SOURCE,
)
PUBLIC_OWNER = code(
    "PM2056",
    Level.INFO,
    "Schema public has an owner of its own",
    why="On this target public belongs to the service; the owner's right to create in it and to grant on it is lost.",
    side=FindingSide.TARGET,
)


@dataclass(frozen=True)
class CastRow:
    """A row of queries/validation_casts.sql; ``method`` is pg_cast.castmethod."""

    source: str
    target: str
    method: str
    of_own_type: bool

    @property
    def label(self) -> str:
        """As CREATE CAST writes it."""
        return f"({self.source} AS {self.target})"


@database_rule(CAST)
def casts(context: DatabaseContext) -> Iterator[Finding]:
    """Every user-defined cast can be created by the target user."""
    if context.target.superuser:
        return
    rows = context.rows("validation_casts", CastRow)
    refused = [row for row in rows if row.method == "b" or not (row.of_own_type or _on_azure(context))]
    if refused:
        yield CAST.found(
            counted(len(refused), "cast"),
            saw=f"The source has {listed(row.label for row in refused)}.",
            fix="Log in to the target as a superuser; or change what uses the casts to call a function, and drop them "
            "on the source by the script.",
            fix_sql="\n".join(f"DROP CAST {row.label};" for row in refused[:MAX_FIXES]),
            script_use=ScriptUse.CHOICE,
        )


def _on_azure(context: DatabaseContext) -> bool:
    """Tell whether azure_pg_admin may cast types that are not its own, as it may with a function or through text."""
    return on_azure(context.servers)


@dataclass(frozen=True)
class GrantRow:
    """A row of queries/validation_catalog_grants.sql."""

    kind: str
    name: str
    grantee: str
    privilege: str


@database_rule(CATALOG_GRANT)
def catalog_grants(context: DatabaseContext) -> Iterator[Finding]:
    """Nobody was granted something on tables, views and functions of pg_catalog."""
    if context.target.superuser:
        return
    rows = context.rows("validation_catalog_grants", GrantRow)
    rows = [row for row in rows if not context.source.provider.owns_role(row.grantee)]
    if not rows:
        return
    grants: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        grants[row.kind, row.name, row.grantee].append(row.privilege)
    yield CATALOG_GRANT.found(
        counted(len(grants), "grant"),
        saw="Granted are "
        + listed(f"{', '.join(what)} on {name} to {grantee}" for (_, name, grantee), what in grants.items())
        + ".",
        fix="Grant a role instead that brings the right, such as pg_monitor or pg_read_all_stats; and revoke "
        "these on the source by the script, as a superuser. Else look for them in the report after the migration.",
        fix_sql="\n".join(_revoke(*key, what) for key, what in list(grants.items())[:MAX_FIXES]),
    )


def _revoke(kind: str, name: str, grantee: str, privileges: list[str]) -> str:
    words = ", ".join(privileges)
    of = f"pg_catalog.{name}" if not name.startswith("pg_catalog.") else name
    role = "PUBLIC" if grantee == "PUBLIC" else statement("{}", grantee)
    return f"REVOKE {words} ON {kind} {of} FROM {role};"


@dataclass(frozen=True)
class OwnerOfPublicRow:
    """A row of queries/validation_public_schema.sql."""

    owner: str


@database_rule(PUBLIC_OWNER)
def owner_of_public(context: DatabaseContext) -> Iterator[Finding]:
    """Tells whose the schema public is, where the target's service keeps it to itself."""
    if not _on_azure(context):
        return
    for row in context.rows("validation_public_schema", OwnerOfPublicRow):
        if row.owner in DEFAULT_OWNERS or context.source.provider.owns_role(row.owner) or _is_admin(context, row.owner):
            continue
        yield PUBLIC_OWNER.found(
            f"Schema public of {context.database.source_name}",
            saw=f"It belongs to {row.owner} on the source, and to azure_pg_admin on the target.",
            fix="Run the script on the target, in that database, after the migration.",
            fix_sql=statement("GRANT ALL ON SCHEMA public TO {} WITH GRANT OPTION;", row.owner),
            script_use=ScriptUse.AFTER,
        )


def _is_admin(context: DatabaseContext, name: str) -> bool:
    role = context.source.roles.get(name)
    return name == context.source.user or bool(role and role.superuser)
