"""Rules about encodings, locales and collations: whether the target has them, and sorts as the source does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.probe_values import DatabaseFacts
from migrations_app.engine.validation.catalog import UsedCollationRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.locale_names import always_exists, missing_locales, normalized
from migrations_app.engine.validation.rule import database_rule, server_rule
from migrations_app.engine.validation.wording import capped, counted, listed, statement

LOCALE_MISSING = code(
    "603401",
    Level.FAILED,
    "Database's locale does not exist on the target",
    why="CREATE DATABASE refuses a locale that the target's operating system or build does not have.",
    side=FindingSide.TARGET,
)
COLLATION_MISSING = code(
    "603402",
    Level.FAILED,
    "Collation that columns use does not exist on the target",
    why="A table whose column names a missing collation cannot be created.",
    side=FindingSide.TARGET,
)
OWN_COLLATION = code(
    "603403",
    Level.FAILED,
    "User-defined collation cannot be created on the target",
    why="It is built on a locale that the target does not have.",
    side=FindingSide.SOURCE,
)
SORTS_DIFFERENTLY = code(
    "PM2020",
    Level.WARNING,
    "Collation has another version on the target",
    why="Text may sort differently there. Indexes are built anew and are right; but partitions by ranges of text, "
    "CHECK constraints and exclusion constraints that compare text may put or judge rows otherwise.",
    side=FindingSide.TARGET,
)
NO_ENCODING = code(
    "PM2021",
    Level.INFO,
    "Database has no declared encoding (SQL_ASCII)",
    why="The server stores bytes without knowing what they mean. The target database is made SQL_ASCII too and the "
    "bytes are copied unchanged, so nothing is lost; but clients that expect UTF-8 may meet other bytes.",
    side=FindingSide.SOURCE,
)


@server_rule(LOCALE_MISSING)
def database_locales(context: ServerContext) -> Iterator[Finding]:
    """The locale and its provider (libc, ICU, built in) of every database exist on the target."""
    databases = [facts for _, facts in context.source_databases]
    names = {name for facts in databases for name in (facts.collate, facts.ctype)}
    missing = missing_locales(context.target, names)
    for database, facts in context.source_databases:
        absent = [name for name in dict.fromkeys((facts.collate, facts.ctype)) if name in missing]
        for name in absent:
            yield _locale_missing(facts, name, server_message=missing[name], database_id=database.id)
        if facts.locale_provider == "icu" and not context.target.facts.settings.has_icu:
            yield LOCALE_MISSING.found(
                facts.name,
                saw=f"The database uses the ICU locale {facts.locale}; the target is built without ICU.",
                fix="Choose a target server that is built with ICU, as those of Linux distributions and clouds are.",
                database_id=database.id,
            )


def _locale_missing(facts: DatabaseFacts, name: str, *, server_message: str, database_id: str) -> Finding:
    windows = " This is a name as Windows gives it; the target runs on another system." if " " in name else ""
    return LOCALE_MISSING.found(
        facts.name,
        saw=f"The database's locale is {name} (libc), which the target's operating system does not have.{windows}",
        fix=f"On the target's machine install the locale (Debian: locale-gen {name}; Red Hat: glibc-langpack), restart "
        "PostgreSQL, and run the script. A managed service has a fixed list of locales.",
        fix_sql="SELECT pg_import_system_collations('pg_catalog');",
        script_database="template1",
        server_message=server_message,
        database_id=database_id,
    )


@database_rule(COLLATION_MISSING)
def used_collations(context: DatabaseContext) -> Iterator[Finding]:
    """Every collation of PostgreSQL's own that columns, indexes or domains use exists on the target."""
    offered = {
        collation.name
        for collation in context.target.collations
        if collation.encoding in (None, context.facts.encoding)
    }
    findings = [
        COLLATION_MISSING.found(
            f"Collation {row.name}",
            saw=f"{counted(row.uses, 'object')} of the source use it, such as {row.example}; the target has none of "
            "that name.",
            fix="Import the operating system's collations by the script, in template1 of the target; or give "
            "the columns another collation on the source.",
            fix_sql="SELECT pg_import_system_collations('pg_catalog');",
            script_database="template1",
        )
        for row in context.collations
        if row.schema == "pg_catalog" and row.name not in offered
    ]
    yield from capped(findings, COLLATION_MISSING, what="collations")


@database_rule(OWN_COLLATION)
def own_collations(context: DatabaseContext) -> Iterator[Finding]:
    """Every user-defined collation can be created on the target."""
    own = [row for row in context.collations if row.schema != "pg_catalog"]
    names = _libc_names(own)
    missing = context.servers.once(("locales", *sorted(names)), lambda: missing_locales(context.target, names))
    has_icu = context.target.facts.settings.has_icu
    findings = [_own(row, missing) for row in own if (row.provider == "i" and not has_icu) or _is_missing(row, missing)]
    yield from capped(findings, OWN_COLLATION, what="collations")


def _libc_names(rows: Iterable[UsedCollationRow]) -> set[str]:
    return {name for row in rows if row.provider == "c" for name in (row.collate, row.ctype) if name}


def _is_missing(row: UsedCollationRow, missing: dict[str, str]) -> bool:
    return row.provider == "c" and (row.collate in missing or row.ctype in missing)


def _own(row: UsedCollationRow, missing: dict[str, str]) -> Finding:
    reason = (
        "the target is built without ICU" if row.provider == "i" else f"the target has no libc locale {row.collate}"
    )
    return OWN_COLLATION.found(
        f"Collation {row.schema}.{row.name}",
        saw=f"It is used by {counted(row.uses, 'object')}, and {reason}.",
        fix="Install the locale on the target's machine; or drop the collation on the source if nothing uses it.",
        fix_sql=statement("DROP COLLATION {};", (row.schema, row.name)),
        script_use=ScriptUse.CHOICE,
        server_message=missing.get(row.collate or "", ""),
    )


@dataclass(frozen=True)
class VersionRow:
    """A row of queries/validation_collation_versions.sql."""

    provider: str
    locale: str
    version: str | None


@database_rule(SORTS_DIFFERENTLY)
def collation_versions(context: DatabaseContext) -> Iterator[Finding]:
    """Text sorts alike on both servers: the collations in use have the same version."""
    locales = _sorting_locales(context)
    if not locales:
        return
    keys = [normalized(locale) for _, locale in locales]
    target = context.servers.once(("collation versions", *keys), lambda: _target_versions(context, keys))
    source = _by_locale(context.rows("validation_collation_versions", VersionRow, locales=keys))
    unknown = []
    for provider, locale in locales:
        key = (provider, normalized(locale))
        mine, theirs = source.get(key), target.get(key)
        if mine is None or theirs is None:
            unknown.append(locale)
        elif mine != theirs:
            yield _sorts_differently(context, locale, mine, theirs)
    if unknown:
        yield SORTS_DIFFERENTLY.unknown(
            f"Collations of {context.database.source_name}",
            saw=f"The versions of {listed(unknown)} are not known on both servers, so their order cannot be compared.",
            fix="Compare the versions of glibc and ICU of both machines; if they differ, check text ranges afterwards.",
        )


def _target_versions(context: DatabaseContext, locales: list[str]) -> dict[tuple[str, str], str | None]:
    with context.target.connected() as connection:
        return _by_locale(fetch(connection, "validation_collation_versions", VersionRow, locales=locales))


def _by_locale(rows: Iterable[VersionRow]) -> dict[tuple[str, str], str | None]:
    return {(row.provider, row.locale): row.version for row in rows}


def _sorting_locales(context: DatabaseContext) -> list[tuple[str, str]]:
    """Return provider and name of each locale in use whose order may change from one version to the next."""
    facts = context.facts
    default = ("i", facts.locale or "") if facts.locale_provider == "icu" else ("c", facts.collate)
    used = [(row.provider, row.locale or row.collate or "") for row in context.collations]
    locales = [default, *used] if facts.locale_provider != "builtin" else used
    return [pair for pair in dict.fromkeys(locales) if pair[0] in "ci" and pair[1] and not always_exists(pair[1])]


def _sorts_differently(context: DatabaseContext, locale: str, mine: str, theirs: str) -> Finding:
    return SORTS_DIFFERENTLY.found(
        f"Collation {locale}",
        saw=f"Its version is {mine} on the source and {theirs} on the target.",
        fix=f"After the migration look at partitions by text and at constraints that compare text in "
        f"{context.database.target_name}.",
    )


@server_rule(NO_ENCODING)
def declared_encodings(context: ServerContext) -> Iterator[Finding]:
    """Tells which databases are SQL_ASCII."""
    for database, facts in context.source_databases:
        if facts.encoding == "SQL_ASCII":
            yield NO_ENCODING.found(
                facts.name,
                saw="The database's encoding is SQL_ASCII.",
                fix="Nothing has to be done for the migration.",
                database_id=database.id,
            )
