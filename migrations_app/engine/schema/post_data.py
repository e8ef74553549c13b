"""Everything that comes after the rows: foreign keys, triggers, policies … and, last, owners and grants."""

from __future__ import annotations

import queue
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from migrations_app.engine.crew import Crew
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors
from migrations_app.engine.schema.grants import without_missing_roles
from migrations_app.engine.schema.restore import owner_statement, restore, restore_one, restoring
from migrations_app.engine.schema.toc import TocEntry

FOREIGN_KEY = "FK CONSTRAINT"
# Grants follow owners, and an event trigger must not see our own statements.
LAST_TYPES = ("ACL", "DEFAULT ACL", "EVENT TRIGGER")


REMARK_TYPES = ("COMMENT", "SECURITY LABEL")


def structural(entries: Sequence[TocEntry]) -> list[TocEntry]:
    """Return the entries without grants, event triggers and what is said about those."""
    return [entry for entry in entries if entry.type not in LAST_TYPES and not _is_about_event_trigger(entry)]


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
    except Error as error:
        if connection.closed or job.control.stopping:
            raise
        job.object_failed(entry.label, statement=entry.text, server_message=str(error).strip(), phase="constraints")
        return
    job.losses.append(entry.label)
    job.find(
        "PM2002",
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
    """Give every object to its owner, then restore grants, default privileges and event triggers."""
    with restoring(job, purpose="owners") as connection:
        known = _possible_owners(connection)
        for owner, missing in _by_missing_owner(entries, known).items():
            _report_missing_owner(job, owner, missing)
        restore(
            job,
            connection,
            [entry for entry in entries if entry.owner in known and entry.type != "EVENT TRIGGER"],
            phase="constraints",
            statement=owner_statement,
            kind="owner",
        )
        roles = {row[0] for row in connection.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
        grants = [entry for kind in ("ACL", "DEFAULT ACL") for entry in entries if entry.type == kind]
        restore(job, connection, without_missing_roles(job, grants, known=roles), phase="constraints")
        restore(job, connection, [entry for entry in entries if entry.type == "EVENT TRIGGER"], phase="constraints")
        event_triggers = [entry for entry in entries if entry.type == "EVENT TRIGGER" and entry.owner in known]
        restore(job, connection, event_triggers, phase="constraints", statement=owner_statement, kind="owner")
        remarks = [entry for entry in entries if _is_about_event_trigger(entry)]
        restore(job, connection, remarks, phase="constraints")


def _possible_owners(connection: Connection) -> set[str]:
    """Return the roles to which our user may give objects."""
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    rows = connection.execute(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_has_role(current_user, oid, %s)", (right,)
    )
    return {row[0] for row in rows}


def _by_missing_owner(entries: Sequence[TocEntry], known: set[str]) -> dict[str, list[TocEntry]]:
    missing: dict[str, list[TocEntry]] = defaultdict(list)
    for entry in entries:
        if entry.owner_sql and entry.owner not in known:
            missing[entry.owner].append(entry)
    return missing


def _report_missing_owner(job: DatabaseJob, owner: str, entries: Sequence[TocEntry]) -> None:
    user = job.target.endpoint.user
    job.find(
        "PM2003",
        Level.WARNING,
        f"role {owner}",
        f"It does not exist on the target, or {user} may not give it objects: {len(entries)} of them belong to {user}.",
        why="Applications that log in as this role, or rely on its ownership, will miss rights.",
        fix=f"Create the role on the target, make {user} a member of it, and run the script.",
        fix_sql="\n".join(entry.owner_sql.decode(errors="replace") for entry in entries),
        phase="constraints",
    )
