"""The database's event triggers sleep until our last statement: they are made for other people's work, not for ours.

Each is created and disabled in one transaction, with a note of how it is to be enabled. The transaction that drops
the notes enables them, after the drop: ALTER EVENT TRIGGER fires no event trigger.
https://www.postgresql.org/docs/18/event-trigger-definition.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors, sql
from migrations_app.engine.schema.toc import TocEntry

KIND = "event trigger"
DISABLED = "D"
CREATE = re.compile(rb'^CREATE EVENT TRIGGER ("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*) ON ', re.MULTILINE)
ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
ASLEEP = b"""%(create)s
INSERT INTO _migration_portal.marker (kind, key, detail)
SELECT 'event trigger', evtname, evtenabled FROM pg_catalog.pg_event_trigger
WHERE evtname = %(literal)s AND evtenabled <> 'D' ON CONFLICT DO NOTHING;
ALTER EVENT TRIGGER %(name)s DISABLE;"""


def create_asleep(entry: TocEntry) -> bytes:
    """Return what creates an event trigger, notes how it is to be enabled, and disables it."""
    found = CREATE.search(entry.sql)
    if found is None:
        raise AssertionError(f"pg_dump writes no CREATE EVENT TRIGGER for {entry.label}")
    name = found[1]
    plain = name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name
    literal = b"'" + plain.replace(b"'", b"''") + b"'"
    return ASLEEP % {b"create": entry.sql, b"literal": literal, b"name": name}


def read_asleep(connection: Connection) -> dict[str, str]:
    """Return the event triggers that are to be enabled at the end, by name, with their letter of pg_event_trigger.

    Empty where the database carries no notes.
    """
    if connection.execute("SELECT to_regclass('_migration_portal.marker') IS NULL").fetchone() == (True,):
        return {}
    rows = connection.execute("SELECT key, detail FROM _migration_portal.marker WHERE kind = %s", (KIND,))
    return {row[0]: row[1] for row in rows}


def wake(job: DatabaseJob, connection: Connection, asleep: Mapping[str, str]) -> None:
    """Enable event triggers, in the caller's transaction; one that is refused becomes a finding."""
    for name, state in asleep.items():
        statement = _statement(name, state)
        try:
            with connection.transaction():
                connection.execute(statement)
        except Error as error:
            if connection.closed or job.control.stopping:
                raise
            _tell(job, f"event trigger {name}", "The target refused to enable it.", [statement], str(error).strip())


def put_to_sleep(connection: Connection, names: Iterable[str]) -> None:
    """Disable event triggers, in the caller's transaction; one that is gone, or not ours to alter, stays as it is."""
    for name in names:
        try:
            with connection.transaction():
                connection.execute(sql.SQL("ALTER EVENT TRIGGER {} DISABLE").format(sql.Identifier(name)))
        except (errors.UndefinedObject, errors.InsufficientPrivilege):
            continue


def tell_asleep(job: DatabaseJob) -> None:
    """Say which event triggers stay disabled, because the database is not proved to be complete."""
    with job.target.connected(job.database.target_name, purpose="look", read_only=True) as connection:
        asleep = read_asleep(connection)
    if asleep:
        _tell(
            job,
            f"event triggers {', '.join(sorted(asleep))}",
            "They are on the target, disabled: they are enabled when the migration has ended without a difference.",
            [_statement(name, state) for name, state in sorted(asleep.items())],
        )


def _statement(name: str, state: str) -> sql.Composed:
    return sql.SQL("ALTER EVENT TRIGGER {} {}").format(sql.Identifier(name), sql.SQL(ENABLE[state]))


def _tell(job: DatabaseJob, subject: str, saw: str, statements: list[sql.Composed], server_message: str = "") -> None:
    job.find(
        "PM4013",
        Level.WARNING,
        subject,
        saw,
        why="What they forbid or record on the source, they do not on the target.",
        fix="Mend what the other findings name and resume, or enable them on the target by the script.",
        fix_sql="\n".join(statement.as_string(None) + ";" for statement in statements),
        server_message=server_message,
        phase="constraints",
    )
