"""Give every object to its owner, with no more than the rights of an administrator who is no superuser."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.providers_own import PUBLIC_KEPT, is_role_of
from migrations_app.engine.schema.restore import owner_statement, restore
from migrations_app.engine.schema.toc import TocEntry

OWNER, LENT = "owner", "lent"  # kinds of notes
PUBLICATION = "PUBLICATION"  # belongs to the database, not to a schema

# From 16 on ADMIN lets a role grant itself the membership; before, CREATEROLE does: release notes of PostgreSQL 16.
ADMINISTERED = (
    "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_has_role(current_user, oid, 'USAGE WITH ADMIN OPTION')"
)
ADMINISTERED_BEFORE_16 = (
    "SELECT r.rolname::text FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles me ON me.rolname = current_user"
    " WHERE me.rolcreaterole AND NOT r.rolsuper AND r.oid <> me.oid"
)


def restore_owners(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> None:
    """Give the entries' objects to their owners; schemas first, then what is in them."""
    _join_owners(job, connection, entries)
    known = possible_owners(connection)
    entries = _with_public_kept(job, connection, entries)
    for owner, missing in _by_missing_owner(entries, known).items():
        _report_missing_owner(job, owner, missing)
    owned = [entry for entry in entries if entry.owner in known]
    _give(job, connection, [entry for entry in owned if entry.type == "SCHEMA"])
    _lend_create(job, connection, owned)
    _give(job, connection, [entry for entry in owned if entry.type != "SCHEMA"])
    _take_back(job, connection)


def _give(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> None:
    restore(job, connection, entries, phase="constraints", statement=owner_statement, kind=OWNER)


def possible_owners(connection: Connection) -> set[str]:
    """Return the roles to which our user may give objects."""
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    rows = connection.execute(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_has_role(current_user, oid, %s)", (right,)
    )
    return {row[0] for row in rows}


def _join_owners(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> None:
    """Become a member of owners that stood on the target before, where our user may decide that itself."""
    administered = ADMINISTERED if connection.info.server_version >= 160000 else ADMINISTERED_BEFORE_16
    within_reach = {row[0] for row in connection.execute(administered)} - possible_owners(connection)
    for owner in sorted({entry.owner for entry in entries if entry.owner_sql} & within_reach):
        user = job.target.endpoint.user
        try:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
        except Error as error:
            if connection.closed or job.control.stopping:
                raise
            job.note(f"{user} could not become a member of {owner} on the target: {error}", level=Level.WARNING)
        else:
            job.note(f"Made {user} a member of {owner} on the target, so that objects can be given to that role.")


def _with_public_kept(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> list[TocEntry]:
    """Leave schema public with the provider's role that owns it on the target; azure_pg_admin on flexible server."""
    row = connection.execute(
        "SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
    ).fetchone()
    if row is None or not is_role_of(job.target_provider, row[0]):
        return list(entries)
    kept = []
    for entry in entries:
        if (entry.type, entry.name) == ("SCHEMA", "public") and entry.owner_sql and entry.owner != row[0]:
            _report_public(job, entry.owner, kept_by=row[0])
            entry = replace(entry, owner="", owner_sql=b"")
        kept.append(entry)
    return kept


def _report_public(job: DatabaseJob, owner: str, *, kept_by: str) -> None:
    grant = sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {};").format(sql.Identifier(owner))
    job.find(
        PUBLIC_KEPT,
        Level.INFO,
        "schema public",
        f"It belongs to {owner} on the source and stays with {kept_by} on the target, as {job.target_provider.name} "
        "has it.",
        why=f"{owner} may not create anything in it on the target.",
        fix="If it should, run the script in the target database.",
        fix_sql=grant.as_string(None),
        phase="constraints",
    )


def _by_missing_owner(entries: Sequence[TocEntry], known: set[str]) -> dict[str, list[TocEntry]]:
    missing: dict[str, list[TocEntry]] = defaultdict(list)
    for entry in entries:
        if entry.owner_sql and entry.owner not in known:
            missing[entry.owner].append(entry)
    return missing


def _report_missing_owner(job: DatabaseJob, owner: str, entries: Sequence[TocEntry]) -> None:
    user = job.target.endpoint.user
    job.find(
        "PM4003",
        Level.WARNING,
        f"role {owner}",
        f"It does not exist on the target, or {user} may not give it objects: {len(entries)} of them belong to {user}.",
        why="Applications that log in as this role, or rely on its ownership, will miss rights.",
        fix=f"Create the role on the target, make {user} a member of it, and run the script.",
        fix_sql="\n".join(entry.shown(entry.owner_sql) for entry in entries),
        phase="constraints",
    )


def _lend_create(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> None:
    """Let new owners create in the schemas of their objects until they own them: ALTER … OWNER demands it.

    A superuser is free of that. Each loan is noted in the transaction that grants it, so that it is taken back even
    by another run. https://www.postgresql.org/docs/18/sql-altertable.html
    """
    if job.target_is_superuser:
        return
    done = job.markers.read(connection, OWNER)
    todo = [entry for entry in entries if entry.owner_sql and entry.key not in done]
    todo = [entry for entry in todo if entry.type != "SCHEMA" and (entry.schema or entry.type == PUBLICATION)]
    for schema, owner in sorted({(entry.schema, entry.owner) for entry in todo}):
        if not _may_create(connection, schema, owner):
            _change_loan(job, connection, schema, owner, lend=True)


def _may_create(connection: Connection, schema: str, owner: str) -> bool:
    """Tell whether ``owner`` may create in a schema, or, for a publication, in the database (an empty name)."""
    row = connection.execute(
        "SELECT CASE WHEN %(schema)s = '' THEN has_database_privilege(%(owner)s, current_database(), 'CREATE')"
        " ELSE (SELECT has_schema_privilege(%(owner)s, oid, 'CREATE') FROM pg_catalog.pg_namespace"
        " WHERE nspname = %(schema)s) END",
        {"schema": schema, "owner": owner},
    ).fetchone()
    return row != (False,)  # a schema that could not be created has nothing to lend


def _take_back(job: DatabaseJob, connection: Connection) -> None:
    for key in job.markers.read(connection, LENT):
        schema, owner = json.loads(key)
        _change_loan(job, connection, schema, owner, lend=False)


def _change_loan(job: DatabaseJob, connection: Connection, schema: str, owner: str, *, lend: bool) -> None:
    """Grant CREATE or take it back. Where that is refused, ALTER … OWNER is refused too, and told then."""
    place = (
        sql.SQL("SCHEMA {}").format(sql.Identifier(schema))
        if schema
        else sql.SQL("DATABASE {}").format(sql.Identifier(job.database.target_name))
    )
    change = sql.SQL("GRANT CREATE ON {} TO {}" if lend else "REVOKE CREATE ON {} FROM {}")
    key = json.dumps([schema, owner])
    try:
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute(change.format(place, sql.Identifier(owner)))
            if lend:
                job.markers.add(connection, kind=LENT, keys=[key])
            else:
                job.markers.forget(connection, kind=LENT, keys=[key])
    except Error as error:
        if connection.closed or job.control.stopping:
            raise
        job.note(f"{change.format(place, sql.Identifier(owner)).as_string(None)}: {error}", level=Level.WARNING)
