"""Rules about settings that were given to databases and roles with ALTER … SET."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.spec import RolePolicy
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.wording import capped, statement

SETTING_REFUSED = code(
    "PM1050",
    Level.WARNING,
    "Setting of a database or role that the target refuses",
    why="The setting does not exist in the target's version, or only a superuser may set it there.",
    side=FindingSide.TARGET,
)
READ_ONLY_COPIED = code(
    "PM1051",
    Level.WARNING,
    "Database or role is set to read-only and will be on the target",
    why="Settings of databases and roles are copied, so applications could not write on the target either. It is often "
    "what is left of an earlier cutover.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class SettingRow:
    """A row of validation_role_settings.sql; ``database`` or ``role`` is None where the setting holds for all."""

    database: str | None
    role: str | None
    name: str
    value: str

    @property
    def subject(self) -> str:
        """What the setting was given to, in words."""
        words = [f"Role {self.role}"] if self.role else []
        words += [f"database {self.database}" if words else f"Database {self.database}"] if self.database else []
        return " in ".join(words) or "All databases"


@dataclass(frozen=True)
class ParameterRow:
    """A row of queries/validation_parameters.sql."""

    name: str
    context: str


@server_rule(SETTING_REFUSED, READ_ONLY_COPIED)
def settings_of_databases_and_roles(context: ServerContext) -> Iterator[Finding]:
    """Every setting of the databases and roles that move can be set on the target by its user."""
    with context.source.connected() as connection:
        settings = [row for row in fetch(connection, "validation_role_settings", SettingRow) if _moves(context, row)]
    if not settings:
        return
    yield from capped([_read_only(row) for row in settings if _is_read_only(row)], READ_ONLY_COPIED, what="settings")
    with context.target.connected() as connection:
        parameters = {row.name: row.context for row in fetch(connection, "validation_parameters", ParameterRow)}
    findings = [
        SETTING_REFUSED.found(
            f"{row.subject}: {row.name}",
            saw=f"It is set to {row.value!r}; {reason}.",
            fix="Nothing has to be done if the target works without it; else set it on the target in another way.",
        )
        for row in settings
        if (reason := _refusal(context, row, parameters))
    ]
    yield from capped(findings, SETTING_REFUSED, what="settings")


def _is_read_only(row: SettingRow) -> bool:
    return row.name == "default_transaction_read_only" and row.value.lower() in ("on", "true", "yes", "1")


def _read_only(row: SettingRow) -> Finding:
    if row.database and row.role:
        reset = statement("ALTER ROLE {} IN DATABASE {} RESET default_transaction_read_only;", row.role, row.database)
    elif row.role:
        reset = statement("ALTER ROLE {} RESET default_transaction_read_only;", row.role)
    elif row.database:
        reset = statement("ALTER DATABASE {} RESET default_transaction_read_only;", row.database)
    else:
        reset = "ALTER ROLE ALL RESET default_transaction_read_only;"
    return READ_ONLY_COPIED.found(
        row.subject,
        saw="default_transaction_read_only is on for it.",
        fix="If it is to stop writers during the migration, leave it and run the script on the target afterwards (with "
        "the target's name of the database); else run it on the source now.",
        fix_sql=reset,
        script_use=ScriptUse.CHOICE,
    )


def _moves(context: ServerContext, row: SettingRow) -> bool:
    if row.role and (context.spec.options.roles is RolePolicy.SKIP or context.source.provider.owns_role(row.role)):
        return False
    return row.database is None or row.database in {database.source_name for database in context.spec.databases}


def _refusal(context: ServerContext, row: SettingRow, parameters: dict[str, str]) -> str:
    if "." in row.name:
        return ""
    if row.name.lower() not in parameters:
        hidden = " or hides it from this user" if not context.target.facts.privileges.read_all_settings else ""
        return f"PostgreSQL {context.target.facts.major} has no such setting{hidden}"
    if parameters[row.name.lower()] == "superuser" and not context.target.superuser:
        return "only a superuser may set it on the target"
    return ""
