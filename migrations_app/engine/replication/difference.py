"""One difference between the definitions of both sides, with what is typed on the target to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.events import Direction
from migrations_app.engine.postgres import Connection, sql

TableName = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """One object that differs. ``statements`` run where the changes arrive make both sides alike; empty: by hand.

    ``is_harmful``: changes would not fit, or would be applied as something else, so that the apply rests.
    ``destroys``: the statements drop what holds rows. ``again``: tables whose rows cannot be known to be the same
    after that, and are copied again at the cutover. ``is_new``: a table that the migration does not know yet.
    """

    subject: str
    saw: str
    statements: tuple[str, ...] = ()
    is_harmful: bool = True
    destroys: bool = False
    again: tuple[TableName, ...] = ()
    is_new: bool = False

    @property
    def script(self) -> str:
        """The statements as one script."""
        return "\n".join(self.statements)


def written(template: str, *names: sql.Composable) -> str:
    """Return a statement with its names in it."""
    return sql.SQL(template).format(*names).as_string(None)


def typed(text: str) -> sql.Composable:
    """Return what the source's catalog gives as SQL already: a type, an expression, a bound."""
    return sql.SQL(text)


def current_lsn(connection: Connection) -> int:
    """Return the place up to which the server's log is written, in bytes."""
    row = connection.execute("SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::int8").fetchone()
    return int(row[0]) if row else 0


def in_words(difference: Difference, direction: Direction) -> str:
    """Return what was seen, and what becomes of rows that cannot be told from outside to be the same."""
    if not difference.again:
        return difference.saw
    if direction is Direction.FORWARD:
        return f"{difference.saw} Rows that it had cannot be told from outside, so it is copied again at the cutover."
    return f"{difference.saw} Going back, choose to compare all rows: those it had cannot be told from outside."
