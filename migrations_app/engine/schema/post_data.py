"""Everything that comes after the rows: foreign keys, triggers, policies … and, last, owners and grants."""

from __future__ import annotations

import queue
import re
from collections.abc import Sequence
from functools import partial

from migrations_app.engine.crew import Crew
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors, qualified, sql
from migrations_app.engine.schema.extension_comments import is_about_extension, possible_comments
from migrations_app.engine.schema.grants import made_by_roles, without_missing_roles
from migrations_app.engine.schema.owners import possible_owners, restore_owners
from migrations_app.engine.schema.restore import create_statement, restore, restore_one, restoring
from migrations_app.engine.schema.toc import TocEntry
from migrations_app.engine.target.event_triggers import create_asleep

FOREIGN_KEY = "FK CONSTRAINT"
UNCHECKED = "unchecked"  # notes of foreign keys that were added without looking at the rows
# Grants follow owners, and an event trigger must not see our own statements.
LAST_TYPES = ("ACL", "DEFAULT ACL", "EVENT TRIGGER")


REMARK_TYPES = ("COMMENT", "SECURITY LABEL")


def structural(entries: Sequence[TocEntry]) -> list[TocEntry]:
    """Return the entries without grants, event triggers, what is said about those, and comments on extensions."""
    return [
        entry
        for entry in entries
        if entry.type not in LAST_TYPES and not _is_about_event_trigger(entry) and not is_about_extension(entry)
    ]


def _is_about_event_trigger(entry: TocEntry) -> bool:
    return entry.type in REMARK_TYPES and entry.name.startswith("EVENT TRIGGER ")


def restore_post_data(job: DatabaseJob, entries: Sequence[TocEntry]) -> None:
    """Restore what depends on complete tables; foreign keys several at a time."""
    rest = structural(entries)
    remarks = [entry for entry in rest if entry.type in REMARK_TYPES]
    objects = [entry for entry in rest if entry.type not in (*REMARK_TYPES, FOREIGN_KEY)]
    objects.sort(key=_switches_trigger_of_partition)
    with restoring(job, purpose="post-data") as connection:
        restore(job, connection, objects, phase="constraints")
        done = job.markers.read(connection, "toc")
        unchecked = job.markers.read(connection, UNCHECKED)
        for entry in rest:
            if entry.key in unchecked:
                _check_foreign_key(job, connection, entry)
    _restore_foreign_keys(job, [entry for entry in rest if entry.type == FOREIGN_KEY and entry.key not in done])
    with restoring(job, purpose="remarks") as connection:
        restore(job, connection, remarks, phase="constraints")


def _switches_trigger_of_partition(entry: TocEntry) -> bool:
    """The trigger comes from the partitioned table; pg_dump may name the partition first, in alphabetical order."""
    return entry.type == "TRIGGER" and not entry.sql.lstrip().startswith(b"CREATE")


def _restore_foreign_keys(job: DatabaseJob, entries: Sequence[TocEntry]) -> None:
    todo: queue.SimpleQueue[TocEntry] = queue.SimpleQueue()
    for entry in entries:
        todo.put(entry)

    def work(purpose: str) -> None:
        with restoring(part, purpose=purpose) as connection:
            while not todo.empty():
                try:
                    entry = todo.get_nowait()
                except queue.Empty:
                    return
                _restore_foreign_key(part, connection, entry)

    with job.control.child() as control, Crew(control) as crew:
        part = job.under(control)
        for number in range(min(job.jobs, len(entries))):
            crew.start(f"constraint-{number}", partial(work, f"constraint{number}"))


def _restore_foreign_key(job: DatabaseJob, connection: Connection, entry: TocEntry) -> None:
    """Existing rows that break a foreign key must not cost the constraint: it is added without checking them."""
    try:
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute(entry.sql)
            job.markers.add(connection, kind="toc", keys=[entry.key])
        return
    except errors.ForeignKeyViolation as error:
        refused = error
    except Error:
        if connection.closed or job.control.stopping:
            raise
        restore_one(job, connection, entry, phase="constraints")
        return
    statement = re.sub(rb";\s*$", b" NOT VALID;", entry.sql)
    try:
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute(statement)
            job.markers.add(connection, kind="toc", keys=[entry.key])
            job.markers.add(connection, kind=UNCHECKED, keys=[entry.key])
    except Error as error:
        if connection.closed or job.control.stopping:
            raise
        job.object_failed(entry.label, statement=entry.text, server_message=str(error).strip(), phase="constraints")
        return
    _report_broken_foreign_key(job, entry, refused)


def _check_foreign_key(job: DatabaseJob, connection: Connection, entry: TocEntry) -> None:
    """An earlier run added it without checking the rows: somebody may have mended them since."""
    found = connection.execute(
        "SELECT c.relname, o.conname FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE o.contype = 'f' AND n.nspname = %s AND c.relname || ' ' || o.conname = %s",
        (entry.schema, entry.name),
    ).fetchone()
    if found is None:
        job.object_failed(entry.label, statement=entry.text, server_message="It is gone.", phase="constraints")
        return
    table, name = qualified(entry.schema, found[0]), sql.Identifier(found[1])
    try:
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute(sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(table, name))
            job.markers.forget(connection, kind=UNCHECKED, keys=[entry.key])
    except errors.ForeignKeyViolation as error:
        _report_broken_foreign_key(job, entry, error)


def _report_broken_foreign_key(job: DatabaseJob, entry: TocEntry, refused: Error) -> None:
    job.losses.append(entry.label)
    job.find(
        "PM4002",
        Level.FAILED,
        entry.label,
        "Rows of the source break this foreign key. It was added NOT VALID: new rows are checked, old ones are not.",
        why="The source holds rows that its own constraint should have refused; the target has the same rows.",
        fix="Mend or delete the rows that the server names, then validate the constraint.",
        statement=entry.text,
        server_message=str(refused).strip(),
        phase="constraints",
    )


def restore_owners_and_grants(job: DatabaseJob, entries: Sequence[TocEntry]) -> None:
    """Give every object to its owner, then restore grants, default privileges and event triggers, these disabled."""
    with restoring(job, purpose="owners") as connection:
        event_triggers = [entry for entry in entries if entry.type == "EVENT TRIGGER"]
        restore_owners(job, connection, [entry for entry in entries if entry.type != "EVENT TRIGGER"])
        roles = {row[0] for row in connection.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
        grants = [entry for kind in ("ACL", "DEFAULT ACL") for entry in entries if entry.type == kind]
        grants = without_missing_roles(job, grants, known=roles)
        if not job.target_is_superuser:
            grants = [made_by_roles(entry, codec=job.codec, roles=possible_owners(connection)) for entry in grants]
        restore(job, connection, grants, phase="constraints")
        comments = [entry for entry in entries if is_about_extension(entry)]
        restore(job, connection, possible_comments(job, connection, comments), phase="constraints")
        restore(job, connection, event_triggers, phase="constraints", statement=create_asleep, told=create_statement)
        restore_owners(job, connection, event_triggers)
        remarks = [entry for entry in entries if _is_about_event_trigger(entry)]
        restore(job, connection, remarks, phase="constraints")
