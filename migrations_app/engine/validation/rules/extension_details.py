"""Rules about how extensions are installed: in which schema, in which version of PostGIS, with whose triggers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.validation.catalog import ExtensionRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import counted, listed, statement

POSTGIS = code(
    "603406",
    Level.FAILED,
    "PostGIS of the source does not fit the target's",
    why="Types, functions and indexes of a newer PostGIS do not exist in an older one; and PostGIS 3 took the type "
    "raster into an extension of its own.",
    side=FindingSide.TARGET,
)
SYSTEM_SCHEMA = code(
    "603407",
    Level.FAILED,
    "Extension is in a system schema",
    why="Only a superuser may create objects in pg_catalog or information_schema, so the extension cannot be created "
    "on the target.",
    side=FindingSide.SOURCE,
)
EXTENSION_TRIGGERS = code(
    "PM2016",
    Level.WARNING,
    "Triggers on tables of an extension",
    why="An extension is moved by CREATE EXTENSION: what people added to its tables is in no dump and is not copied.",
    side=FindingSide.TARGET,
)
SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")
# Their control files demand pg_catalog, so that CREATE EXTENSION puts them there on every server.
AT_HOME_IN_PG_CATALOG = frozenset(
    {"adminpack", "jsonb_plperl", "lo_plperl", "pg_cron", "plv8", "plcoffee", "plls", "tcn"}
)
MOVABLE_RASTER_SINCE = 3
MAX_SCRIPT = 1_000


@database_rule(POSTGIS)
def postgis(context: DatabaseContext) -> Iterator[Finding]:
    """PostGIS on the target is not older than on the source, and takes its rasters."""
    ours = next((extension for extension in context.extensions if extension.name == "postgis"), None)
    offered = {facts.name: facts.default_version for facts in context.target.facts.extensions or ()}.get("postgis")
    if ours is None or offered is None:
        return
    mine, theirs = _version(ours.version), _version(offered)
    if theirs < mine:
        yield POSTGIS.found(
            "Extension postgis",
            saw=f"The source has PostGIS {ours.version}, the target offers {offered}.",
            fix="Choose a target with a newer PostGIS (a newer PostgreSQL brings one), or install it on its machine.",
        )
    elif mine < (MOVABLE_RASTER_SINCE,) <= theirs and context.row("validation_has_raster", RasterRow).has_raster:
        yield POSTGIS.found(
            "Extension postgis",
            saw=f"Tables have raster columns; the source has PostGIS {ours.version}, the target {offered}.",
            fix="Upgrade PostGIS on the source to 3 or newer first; the script then makes postgis_raster of its own. "
            "Run it twice, as the extension's owner.",
            fix_sql="SELECT postgis_extensions_upgrade();",
            side=FindingSide.SOURCE,
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


@dataclass(frozen=True)
class RasterRow:
    """A row of queries/validation_has_raster.sql."""

    has_raster: bool


@database_rule(SYSTEM_SCHEMA)
def extensions_in_system_schemas(context: DatabaseContext) -> Iterator[Finding]:
    """No extension is in pg_catalog or information_schema, unless it belongs there."""
    if context.target.superuser:
        return
    for extension in context.extensions:
        if extension.schema in SYSTEM_SCHEMAS and not _at_home(context, extension):
            yield SYSTEM_SCHEMA.found(
                f"Extension {extension.name}",
                saw=f"It is in schema {extension.schema}.",
                fix="Move it to another schema on the source by the script, as its owner. If the server answers that "
                "it "
                "does not support SET SCHEMA, drop it and create it anew in another schema, with what depends on it.",
                fix_sql=statement("ALTER EXTENSION {} SET SCHEMA public;", extension.name),
            )


def _at_home(context: DatabaseContext, extension: ExtensionRow) -> bool:
    name = extension.name
    language = name.startswith(("pl", "hstore_pl", "ltree_pl", "jsonb_pl", "bool_pl"))
    return name in AT_HOME_IN_PG_CATALOG or language or context.source.provider.owns_extension(name)


@dataclass(frozen=True)
class TriggerRow:
    """A row of queries/validation_extension_triggers.sql."""

    schema: str
    table: str
    trigger: str
    extension: str
    definition: str


@database_rule(EXTENSION_TRIGGERS)
def triggers_on_extensions(context: DatabaseContext) -> Iterator[Finding]:
    """Nobody put a trigger on a table that belongs to an extension."""
    rows = [
        row for row in context.rows("validation_extension_triggers", TriggerRow) if context.takes(row.schema, row.table)
    ]
    if rows:
        yield EXTENSION_TRIGGERS.found(
            counted(len(rows), "trigger"),
            saw="These are "
            + listed(f"{row.trigger} on {row.schema}.{row.table} of {row.extension}" for row in rows)
            + ".",
            fix="Create them on the target by the script, in that database, after the migration. What is not needed "
            "any more can be dropped on the source before.",
            fix_sql="\n".join(f"{row.definition};" for row in rows[:MAX_SCRIPT]),
        )
