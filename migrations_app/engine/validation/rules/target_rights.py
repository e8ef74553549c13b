"""Rules about what the target user may do there."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.spec import RolePolicy
from migrations_app.engine.validation.azure_target import on_azure, read_azure
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.wording import statement

NO_CREATEDB = code(
    "PM1030",
    Level.FAILED,
    "Target user may not create databases",
    why="The target database is created (or dropped and created) by the migration.",
    side=FindingSide.TARGET,
)
NO_CREATEROLE = code(
    "603116",
    Level.FAILED,
    "Target user may not create roles",
    why="The source's roles are created on the target before anything that belongs to them.",
    side=FindingSide.TARGET,
)
NOT_ADMIN = code(
    "603115",
    Level.FAILED,
    "Target user is not a member of azure_pg_admin",
    why="On a flexible server only members of azure_pg_admin create extensions, change owners and act on what belongs "
    "to others.",
    side=FindingSide.TARGET,
)
LOCAL_SSD = code(
    "PM1069",
    Level.INFO,
    "Target keeps temporary files on its local disk",
    why="Microsoft advises to switch this off while data is moved: building large indexes may fill that small disk.",
    side=FindingSide.TARGET,
)


@server_rule(NOT_ADMIN, LOCAL_SSD)
def azure_administrator(context: ServerContext) -> Iterator[Finding]:
    """On a flexible server the target user belongs to azure_pg_admin, and temporary files are not on a local disk."""
    if not on_azure(context):
        return
    facts, user = read_azure(context), context.target.user
    if not facts.is_admin:
        yield NOT_ADMIN.found(
            f"Target user {user}",
            saw=f"{user} is not a member of azure_pg_admin.",
            fix="Run the script on the target as the server's administrator, or log in as that administrator.",
            fix_sql=statement("GRANT azure_pg_admin TO {};", user),
        )
    if facts.local_ssd == "on":
        yield LOCAL_SSD.found(
            context.target.name,
            saw="azure.enable_temp_tablespaces_on_local_ssd is on.",
            **set_parameters(
                context.target,
                {"azure.enable_temp_tablespaces_on_local_ssd": "off"},
                restart=True,
                then="Set it back after the migration.",
            ),
        )


@server_rule(NO_CREATEDB)
def target_may_create_databases(context: ServerContext) -> Iterator[Finding]:
    """The target user may create databases."""
    privileges = context.target.facts.privileges
    if not privileges.superuser and not privileges.create_database:
        yield NO_CREATEDB.found(
            f"Target user {privileges.user}",
            saw="The user has neither CREATEDB nor SUPERUSER.",
            fix="Run the script on the target as an administrator.",
            fix_sql=statement("ALTER ROLE {} CREATEDB;", privileges.user),
        )


@server_rule(NO_CREATEROLE)
def target_may_create_roles(context: ServerContext) -> Iterator[Finding]:
    """The target user may create roles, if roles are to be copied and some are missing."""
    privileges = context.target.facts.privileges
    if context.spec.options.roles is RolePolicy.SKIP or privileges.superuser or privileges.create_role:
        return
    missing = [name for name in context.source.roles if not context.source.provider.owns_role(name)]
    missing = [name for name in missing if name not in context.target.roles]
    if missing:
        yield NO_CREATEROLE.found(
            f"Target user {privileges.user}",
            saw=f"The user has neither CREATEROLE nor SUPERUSER, and {len(missing):,} roles of the source are missing.",
            fix="Run the script on the target as an administrator, or choose in the options not to copy roles.",
            fix_sql=statement("ALTER ROLE {} CREATEROLE;", privileges.user),
        )
