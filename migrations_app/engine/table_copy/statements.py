"""The texts with which a part is read and written."""

from __future__ import annotations

from migrations_app.engine.plan import PartKind, PartPlan, TablePlan

# Below, emptying a table first costs more than frozen rows save: new files, and a look through all shared buffers.
FREEZE_FROM_BYTES = 1024 * 1024


class CopyOptions:
    """The COPY options of the two sides of one part; with ``freeze`` the table is emptied in the same transaction."""

    def __init__(self, *, binary: bool, freeze: bool) -> None:
        self.freeze = freeze
        self.read = "format binary" if binary else "format text"
        self.write = self.read + (", freeze" if freeze else "")


def copy_options(table: TablePlan, part: PartPlan) -> CopyOptions:
    """FREEZE is allowed where the table was truncated in the same transaction; it is empty anyway until it is noted.

    https://www.postgresql.org/docs/18/sql-copy.html
    """
    is_whole = part.kind is PartKind.WHOLE and not table.is_configuration and table.tree is None
    return CopyOptions(binary=table.binary, freeze=is_whole and table.bytes >= FREEZE_FROM_BYTES)


def table_key(schema: str, name: str) -> str:
    """Return the quoted name of a table, which is also its name in the target's notes."""
    return f"{identifier(schema)}.{identifier(name)}"


def part_key(table: TablePlan, part: PartPlan) -> str:
    """Return the name of a part in the target's notes."""
    return f"{table_key(table.schema, table.name)}#{part.number}"


def identifier(name: str) -> str:
    r"""Quote a name; psql's ``\copy`` understands quoted names, but only on one line.

    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def fits_one_line(table: TablePlan) -> bool:
    r"""Tell whether ``\copy`` can name the table and its columns."""
    names = (*table.full_name, *table.destination, *table.columns)
    return not any("\n" in name or "\r" in name for name in names)


def relation(table: TablePlan) -> str:
    """Return the quoted name of the table."""
    return table_key(*table.full_name)


def column_list(table: TablePlan) -> str:
    """Return the quoted column list with its brackets; empty for a table without columns to copy."""
    return f" ({', '.join(identifier(name) for name in table.columns)})" if table.columns else ""


def rows_into(table: TablePlan) -> str:
    r"""Return what ``\copy … from`` writes to: the table itself, or the one that spreads its rows over partitions."""
    return table_key(*table.destination) + column_list(table)


def condition_of(table: TablePlan, part: PartPlan) -> str:
    """Return the WHERE clause that picks a part's rows; empty for all rows."""
    column = "ctid" if part.kind is PartKind.CTID else identifier(part.key_column)
    literal = "'({},0)'::tid" if part.kind is PartKind.CTID else "{}"
    bounds = []
    if part.lower is not None:
        bounds.append(f"{column} >= {literal.format(int(part.lower))}")
    if part.upper is not None:
        bounds.append(f"{column} < {literal.format(int(part.upper))}")
    if table.condition:
        bounds.insert(0, f"({table.condition})")
    return " WHERE " + " AND ".join(bounds) if bounds else ""


def rows_of(table: TablePlan, part: PartPlan) -> str:
    r"""Return what ``\copy … to`` reads: the table itself, or a query for a part of its rows."""
    condition = condition_of(table, part)
    if not condition:
        return relation(table) + column_list(table)
    columns = ", ".join(identifier(name) for name in table.columns)
    return f"(SELECT {columns} FROM ONLY {relation(table)}{condition})"  # noqa: S608 - every name is quoted above
