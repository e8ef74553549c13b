"""Rules about extensions: available on the target, allowed, loadable by this user."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.probe_values import ExtensionFacts
from migrations_app.engine.validation.catalog import ExtensionRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import listed

NOT_AVAILABLE = code(
    "603405",
    Level.FAILED,
    "Extension is not available on the target",
    why="Everything that uses the extension's types, functions or operators cannot be created without it.",
    side=FindingSide.SOURCE,
)
NOT_ALLOWED = code(
    "603108",
    Level.FAILED,
    "Extension is not allow-listed on the target",
    why="Azure creates only extensions that the server parameter azure.extensions names.",
    side=FindingSide.TARGET,
)
NOT_PRELOADED = code(
    "603109",
    Level.WARNING,
    "Extension's library is not preloaded on the target",
    why="The extension can be created, but works only when the server loads its library at start.",
    side=FindingSide.TARGET,
)
OLDER = code(
    "PM2010",
    Level.WARNING,
    "Extension is older on the target",
    why="Objects that use something new of the extension may not be created.",
    side=FindingSide.TARGET,
)
NEEDS_SUPERUSER = code(
    "PM2011",
    Level.WARNING,
    "Extension needs a superuser on the target",
    why="Only a superuser may create an extension that is not marked as trusted, unless the service allows it.",
    side=FindingSide.TARGET,
)
PROVIDERS_OWN = code(
    "PM2012",
    Level.INFO,
    "Extension belongs to the source's provider",
    why="It exists on that provider's servers only and is not copied.",
    side=FindingSide.SOURCE,
)
# Their functions fail unless the library is loaded at server start.
# https://learn.microsoft.com/azure/postgresql/extensions/concepts-extensions-versions and each extension's own page.
PRELOADED = frozenset(
    {
        "age",
        "anon",
        "citus",
        "credcheck",
        "pg_cron",
        "pg_duckdb",
        "pg_hint_plan",
        "pg_squeeze",
        "pg_stat_statements",
        "pgaudit",
        "pglogical",
        "timescaledb",
    }
)


@database_rule(NOT_AVAILABLE, NOT_ALLOWED, NOT_PRELOADED, OLDER, NEEDS_SUPERUSER, PROVIDERS_OWN)
def extensions(context: DatabaseContext) -> Iterator[Finding]:
    """Every extension can be created on the target, in a version that is not older."""
    if context.target.facts.extensions is None:
        yield NOT_AVAILABLE.unknown(
            f"Extensions of {context.database.source_name}",
            saw="The target does not tell which extensions are available.",
            fix=f"Look on the target for {listed((row.name for row in context.extensions), limit=20)}.",
        )
        return
    available = {facts.name: facts for facts in context.target.facts.extensions}
    for extension in context.extensions:
        yield from _check(context, extension, available.get(extension.name))


def _check(context: DatabaseContext, extension: ExtensionRow, facts: ExtensionFacts | None) -> Iterator[Finding]:
    subject = f"Extension {extension.name}"
    if context.source.provider.owns_extension(extension.name):
        yield PROVIDERS_OWN.found(
            subject,
            saw=f"{extension.name} {extension.version} belongs to {context.source.provider.name}.",
            fix="Look whether your application calls it, and what takes its place on the target.",
        )
    elif facts is None:
        yield _not_available(context, extension)
    else:
        yield from _check_available(context, extension, facts)


def _not_available(context: DatabaseContext, extension: ExtensionRow) -> Finding:
    return NOT_AVAILABLE.found(
        f"Extension {extension.name}",
        saw=f"The source has {extension.name} {extension.version} in schema {extension.schema}; the target does not "
        "offer it.",
        fix="Install the extension's files on the target's machine; or, if nothing uses the extension, drop it on the "
        "source. A managed service must support it: see its list of extensions.",
        fix_sql=f"DROP EXTENSION {extension.name};",
        script_use=ScriptUse.CHOICE,
    )


def _check_available(context: DatabaseContext, extension: ExtensionRow, facts: ExtensionFacts) -> Iterator[Finding]:
    target = context.target.facts
    subject = f"Extension {extension.name}"
    allowed = target.allowed_extensions
    if allowed is not None and extension.name not in allowed and extension.name != "plpgsql":
        yield NOT_ALLOWED.found(
            subject,
            saw="The target's server parameter azure.extensions does not name it.",
            fix=f"In the Azure portal add {extension.name.upper()} to azure.extensions (Server parameters) and save.",
        )
    loaded = target.settings.shared_preload_libraries
    if extension.name in PRELOADED and loaded is not None and extension.name not in _names(loaded):
        yield NOT_PRELOADED.found(
            subject,
            saw=f"shared_preload_libraries on the target is '{loaded}'.",
            **set_parameters(
                context.target,
                {"shared_preload_libraries": ",".join([*sorted(_names(loaded) - {""}), extension.name])},
                restart=True,
            ),
        )
    if extension.name != "postgis" and _is_older(facts.default_version, than=extension.version):
        yield OLDER.found(
            subject,
            saw=f"The source has version {extension.version}, the target offers {facts.default_version}.",
            fix="Install the newer version on the target, or look whether your database uses what is new in it.",
        )
    if facts.needs_superuser and not facts.trusted and _must_be_superuser(context, extension):
        yield NEEDS_SUPERUSER.found(
            subject,
            saw=f"{context.target.user} is no superuser, and {extension.name} is not a trusted extension there.",
            fix="Log in to the target as a superuser, or let one run the script in template1 there.",
            fix_sql=f'CREATE EXTENSION "{extension.name}";',
            script_database="template1",
        )


def _must_be_superuser(context: DatabaseContext, extension: ExtensionRow) -> bool:
    managed = context.target.facts.provider != "OnPremises"
    return not (context.target.superuser or managed or extension.name == "plpgsql")


def _names(libraries: str) -> set[str]:
    return {name.strip() for name in libraries.split(",")}


def _is_older(version: str | None, *, than: str) -> bool:
    """Compare the numbers in two versions; versions without numbers are never older."""
    mine, other = ([int(number) for number in re.findall(r"\d+", text or "")] for text in (version, than))
    return bool(mine and other) and mine < other
