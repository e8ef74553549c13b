"""Tables whose partitions pg_partman makes and drops, which several rules tell of."""

from __future__ import annotations

from migrations_app.engine.postgres import Error, sql
from migrations_app.engine.postgres.queries.reading import ReadFailed
from migrations_app.engine.validation.catalog import ExtensionRow
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.wording import statement

EXTENSION = "pg_partman"
KEPT = sql.SQL("SELECT parent_table::text FROM {} WHERE automatic_maintenance = 'on' ORDER BY 1")


def kept_tables(context: DatabaseContext, extension: ExtensionRow) -> list[str]:
    """Return the tables whose maintenance is switched on. Raises ``ReadFailed`` with the grant that is missing."""
    name = (extension.schema, "part_config")
    try:
        return [row[0] for row in context.connection.execute(KEPT.format(sql.Identifier(*name)))]
    except Error as error:
        if context.connection.broken:
            raise
        raise ReadFailed(
            f"{context.source.user} cannot read which tables pg_partman {extension.version} keeps.",
            hint=f"Run {statement('GRANT SELECT ON {} TO {};', name, context.source.user)} Or let nothing call "
            "run_maintenance on the source until the migration has ended.",
            server_message=str(error).strip(),
        ) from error


def switch_off(extension: ExtensionRow) -> str:
    """Return the script that switches the maintenance of every table off."""
    return statement("UPDATE {} SET automatic_maintenance = 'off';", (extension.schema, "part_config"))
