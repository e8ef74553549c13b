"""The statements that bring changes to a table: over arrays of text for many rows, or one for a single row.

Values are cast from text by the name of the subscriber's type without its length, so that a value that is too long for
the column is an error, never cut off. Deletes and updates find rows by the key's own equality operator.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.postgres import sql
from migrations_app.engine.replication.pgoutput import RESTART_IDENTITY, Truncation
from migrations_app.engine.replication.subscriber_table import SubscriberTable

COMMA = sql.SQL(", ")
AND = sql.SQL(" AND ")
ROW = sql.Identifier("x")
TABLE = sql.Identifier("t")


def _type(table: SubscriberTable, index: int) -> sql.SQL:
    return sql.SQL(table.columns[index].type)


def _names(table: SubscriberTable) -> sql.Composed:
    return COMMA.join(sql.Identifier(name) for name in table.relation.columns)


def _given(number: int) -> sql.Identifier:
    return sql.Identifier(f"v{number}")


def _value(table: SubscriberTable, index: int, number: int) -> sql.Composed:
    """``x.v3::type``: the value of column ``index``, which came in array ``number``."""
    return sql.SQL("{}.{}::{}").format(ROW, _given(number), _type(table, index))


def _numbered(number: int) -> sql.SQL:
    placeholder = "$" + str(number + 1)
    return sql.SQL(placeholder)


def _arrays(count: int) -> sql.Composed:
    """``unnest($1, …) AS x (v0, …)``."""
    arrays = COMMA.join(_numbered(n) for n in range(count))
    return sql.SQL("unnest({}) AS {} ({})").format(arrays, ROW, COMMA.join(_given(n) for n in range(count)))


def _as_text(value: sql.Composable) -> sql.Composed:
    return sql.SQL('({})::text COLLATE "C"').format(value)


def _column(alias: sql.Identifier, table: SubscriberTable, index: int) -> sql.Composed:
    return sql.SQL("{}.{}").format(alias, sql.Identifier(table.relation.columns[index]))


def _same_key(table: SubscriberTable, values: Sequence[sql.Composable]) -> sql.Composed:
    """``t.id OPERATOR(pg_catalog.=) value AND …``; a key without an index of its own is compared as text."""
    conditions = []
    for index, operator, value in zip(table.key, table.operators, values, strict=True):
        column = _column(TABLE, table, index)
        if operator is None:
            conditions.append(sql.SQL("{} = {}").format(_as_text(column), _as_text(value)))
        else:
            schema, name = sql.Identifier(operator[0]), sql.SQL(operator[1])
            conditions.append(sql.SQL("{} OPERATOR({}.{}) {}").format(column, schema, name, value))
    return AND.join(conditions)


def copy_rows(table: SubscriberTable) -> sql.Composed:
    """Take rows in COPY's text form."""
    return sql.SQL("COPY {} ({}) FROM STDIN").format(table.name, _names(table))


def insert_rows(table: SubscriberTable) -> sql.Composed:
    """Take rows as one array a column."""
    count = len(table.columns)
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
        table.name, _names(table), COMMA.join(_value(table, n, n) for n in range(count)), _arrays(count)
    )


def delete_keys(table: SubscriberTable) -> sql.Composed:
    """Take one array for each key column."""
    values = [_value(table, index, number) for number, index in enumerate(table.key)]
    return sql.SQL("DELETE FROM {} AS {} USING {} WHERE {}").format(
        table.exactly, TABLE, _arrays(len(values)), _same_key(table, values)
    )


def set_columns(table: SubscriberTable, sent: Sequence[int]) -> list[int]:
    """Return which of the ``sent`` columns an update of rows with the same key has to set."""
    return [index for index in sent if index not in table.key and not table.columns[index].always_identity]


def checked_columns(table: SubscriberTable, sent: Sequence[int]) -> list[int]:
    """Return the columns that an update cannot set, and whose values must be those already."""
    return [index for index in sent if index not in table.key and table.columns[index].always_identity]


def update_rows(table: SubscriberTable, sent: Sequence[int]) -> sql.Composed:
    """Take the key's arrays, those of ``set_columns`` and those of ``checked_columns``.

    Where nothing is to be set, the rows are only looked for.
    """
    keys, sets, checks = table.key, set_columns(table, sent), checked_columns(table, sent)
    order = [*keys, *sets, *checks]
    values = [_value(table, index, number) for number, index in enumerate(order)]
    condition = [_same_key(table, values[: len(keys)])]
    for index, value in zip(checks, values[len(keys) + len(sets) :], strict=True):
        condition.append(sql.SQL("{} IS NOT DISTINCT FROM {}").format(_column(TABLE, table, index), value))
    where = AND.join(condition)
    if not sets:
        return sql.SQL("SELECT FROM {} AS {}, {} WHERE {}").format(table.exactly, TABLE, _arrays(len(order)), where)
    assignments = COMMA.join(
        sql.SQL("{} = {}").format(sql.Identifier(table.relation.columns[index]), value)
        for index, value in zip(sets, values[len(keys) : len(keys) + len(sets)], strict=True)
    )
    return sql.SQL("UPDATE {} AS {} SET {} FROM {} WHERE {}").format(
        table.exactly, TABLE, assignments, _arrays(len(order)), where
    )


def _found_by_image(table: SubscriberTable, arrays: int) -> sql.Composed:
    """``f (o, c, v0, …)``: the places of rows that equal the given ones, each given row finding one of its own.

    The k-th given row of some values finds the k-th row of the table that has them; the first arrays are the values.
    """
    count = len(table.columns)
    there = COMMA.join(_as_text(_column(TABLE, table, n)) for n in range(count))
    given = COMMA.join(_as_text(_value(table, n, n)) for n in range(count))
    return sql.SQL(
        """(SELECT r.o, r.c, g.* FROM
            (SELECT e.*, row_number() OVER (PARTITION BY e.image) AS k FROM
              (SELECT {row}.*, ROW({given})::text COLLATE "C" AS image FROM {arrays}) AS e) AS g
            JOIN (SELECT e.*, row_number() OVER (PARTITION BY e.image) AS k FROM
              (SELECT {table}.tableoid AS o, {table}.ctid AS c, ROW({there})::text COLLATE "C" AS image
                 FROM {exactly} AS {table}) AS e) AS r
            ON r.image = g.image AND r.k = g.k) AS {row}"""
    ).format(row=ROW, table=TABLE, given=given, there=there, exactly=table.exactly, arrays=_arrays(arrays))


def delete_images(table: SubscriberTable) -> sql.Composed:
    """Take one array for each column, of the rows as they were."""
    return sql.SQL("DELETE FROM {} AS {} USING {} WHERE {}").format(
        table.exactly, TABLE, _found_by_image(table, len(table.columns)), _same_place()
    )


def update_images(table: SubscriberTable) -> sql.Composed:
    """Take one array for each column of the rows as they were, then of the rows as they are."""
    count = len(table.columns)
    sets = [index for index in range(count) if not table.columns[index].always_identity]
    assignments = COMMA.join(
        sql.SQL("{} = {}").format(sql.Identifier(table.relation.columns[n]), _value(table, n, count + n)) for n in sets
    )
    return sql.SQL("UPDATE {} AS {} SET {} FROM {} WHERE {}").format(
        table.exactly, TABLE, assignments, _found_by_image(table, 2 * count), _same_place()
    )


def _same_place() -> sql.Composed:
    return sql.SQL("{t}.tableoid = {x}.o AND {t}.ctid = {x}.c").format(t=TABLE, x=ROW)


def truncate(truncation: Truncation, tables: Sequence[SubscriberTable]) -> sql.Composed:
    """Empty the whole group at once, and never a table outside of it, whatever the publisher's statement said."""
    restart = sql.SQL(" RESTART IDENTITY" if truncation.options & RESTART_IDENTITY else "")
    return sql.SQL("TRUNCATE {}{}").format(COMMA.join(table.exactly for table in tables), restart)
