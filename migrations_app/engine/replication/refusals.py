"""Say in words why a change could not be applied: the table, the key of the row, the server's words, and what to do."""

from __future__ import annotations

from migrations_app.engine.postgres import Error
from migrations_app.engine.replication.pgoutput import DELETE, INSERT, UNCHANGED, Change, Row
from migrations_app.engine.replication.subscriber_table import ApplyRefused, SubscriberTable

SHOWN_CHARACTERS = 100
SHOWN_COLUMNS = 6
DOINGS = {INSERT: "inserted", DELETE: "deleted"}
# By the first two or all five characters of the SQLSTATE: https://www.postgresql.org/docs/18/errcodes-appendix.html
HINTS = {
    "23": "The row conflicts with one that somebody else wrote there, or with a constraint that the publisher does not "
    "have. Mend that row or drop the constraint, then continue; nothing was skipped.",
    "42501": "Grant our user there what the server's message names, then continue.",
    "42P01": "Somebody changed the schema there. Create the table as it is on the publisher, then continue.",
    "42703": "Somebody changed the schema there. Make the columns as they are on the publisher, then continue.",
    "22": "The column there does not take the value: make its type as it is on the publisher, then continue.",
}
TRUNCATE_HINT = (
    "If tables outside of this migration refer to them, drop those foreign keys there, then continue: only the tables "
    "that were truncated on the publisher are emptied, no others."
)
OTHER_HINT = "The server's own message says why; mend the cause, then continue. Nothing was skipped."
MISSING_HINT = (
    "The two databases differ: somebody changed rows where the changes arrive, or a trigger there did. Compare the "
    "table, copy it again, then continue. Nothing was skipped."
)


def told(change: Change, table: SubscriberTable, *, codec: str) -> str:
    """Return ``A row of public.t could not be inserted (id = 5)``."""
    return f"A row of {table.relation.label} could not be {_doing(change)} ({_key(change, table, codec)})"


def missing_row(change: Change, table: SubscriberTable, *, count: int, codec: str) -> ApplyRefused:
    """Return the error for an update or a delete that found no row, or more than one."""
    found = "is not there" if count == 0 else f"is there {count} times"
    return ApplyRefused(
        f"A row of {table.relation.label} that was {_doing(change)} on the publisher {found} where the changes arrive "
        f"({_key(change, table, codec)}).",
        hint=MISSING_HINT,
    )


def refused(error: Error, what: str, *, hint: str = "") -> ApplyRefused:
    """Return the error for a statement that the server refused."""
    sqlstate = error.sqlstate or ""
    hint = hint or HINTS.get(sqlstate) or HINTS.get(sqlstate[:2]) or OTHER_HINT
    return ApplyRefused(f"{what}.", hint=hint, server_message=str(error).strip())


def _doing(change: Change) -> str:
    return DOINGS.get(change[0], "updated")


def _key(change: Change, table: SubscriberTable, codec: str) -> str:
    _, _, old, new = change
    row: Row = new if old is None else old
    shown = table.key or range(min(len(row), SHOWN_COLUMNS))
    names = table.relation.columns
    return ", ".join(f"{names[index]} = {_shown(row[index], codec)}" for index in shown)


def _shown(value: object, codec: str) -> str:
    if not isinstance(value, bytes):
        return "unchanged" if value is UNCHANGED else "NULL"
    text = value[: 4 * SHOWN_CHARACTERS].decode(codec, errors="replace")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
