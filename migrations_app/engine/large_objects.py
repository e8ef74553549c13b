"""Copy large objects: identity, content, owner, grants and comment; in batches, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.snapshot import Snapshot

CHUNK_BYTES = 4 * 1024 * 1024
BATCH = 200


@dataclass(frozen=True)
class LargeObject:
    """One large object; ``grants`` are (grantee, privileges, grantable) with an empty grantee for PUBLIC."""

    oid: int
    owner: str
    comment: str | None
    grants: list[tuple[str, list[str], bool]] | None  # a JSON array of arrays


def copy_large_objects(job: DatabaseJob, snapshot: Snapshot) -> None:
    """Copy the large objects of the snapshot that the target's notes do not name yet."""
    if not job.database.selection.is_everything:
        job.note("Large objects belong to no schema; they are copied although only a part of the database was chosen.")
    with (
        snapshot.reader("large-objects") as source,
        job.target.connected(job.database.target_name, purpose="large-objects") as target,
    ):
        done = job.markers.read(target, "lo")
        objects = [found for found in _read(source) if str(found.oid) not in done]
        target.execute("SET synchronous_commit = off")
        for start in range(0, len(objects), BATCH):
            job.control.check()
            batch = objects[start : start + BATCH]
            with target.transaction():
                job.markers.hold_on(target)
                for found in batch:
                    _copy_content(source, target, found.oid)
                job.markers.add(target, kind="lo", keys=[str(found.oid) for found in batch])
        if objects:
            job.note(f"Copied {len(objects):,} large objects.")


def restore_large_object_rights(job: DatabaseJob) -> None:
    """Give every large object its owner, grants and comment; what is refused becomes a finding."""
    with job.source.connected(job.database.source_name, purpose="large-objects") as source:
        objects = _read(source)
    with job.target.connected(job.database.target_name, purpose="large-objects") as target:
        done = job.markers.read(target, "lo")
        objects = [found for found in objects if str(found.oid) in done]
        own = [words for found in objects for words in _rights_of_provider(job, found)]
        job.left_out("rights on large objects", own, phase="constraints")
        for found in objects:
            _restore_rights(job, target, found)


def _rights_of_provider(job: DatabaseJob, found: LargeObject) -> list[str]:
    roles = [found.owner, *(grantee for grantee, _, _ in found.grants or ())]
    return [f"{role} on {found.oid}" for role in roles if job.provider_of(role)]


def _read(source: Connection) -> list[LargeObject]:
    return fetch(source, "copied_large_objects", LargeObject)


def _copy_content(source: Connection, target: Connection, oid: int) -> None:
    """Create the object and fill it chunk by chunk; https://www.postgresql.org/docs/18/lo-funcs.html"""
    target.execute("SELECT lo_create(%s::oid)", (oid,))
    for offset, chunk in _chunks(source, oid):
        target.execute("SELECT lo_put(%s::oid, %s, %b)", (oid, offset, chunk))


def _chunks(source: Connection, oid: int) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while True:
        row = source.execute("SELECT lo_get(%s::oid, %s, %s)", (oid, offset, CHUNK_BYTES), binary=True).fetchone()
        chunk = bytes(row[0]) if row else b""
        if chunk:
            yield offset, chunk
        if len(chunk) < CHUNK_BYTES:
            return
        offset += len(chunk)


def _restore_rights(job: DatabaseJob, target: Connection, found: LargeObject) -> None:
    oid = sql.Literal(found.oid)
    statements = []
    if job.provider_of(found.owner) is None:
        statements.append(sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(oid, sql.Identifier(found.owner)))
    if found.grants is not None:
        statements.append(sql.SQL("REVOKE ALL ON LARGE OBJECT {} FROM PUBLIC").format(oid))
    for grantee, privileges, grantable in found.grants or ():
        if job.provider_of(grantee):
            continue
        statements.append(
            sql.SQL("GRANT {} ON LARGE OBJECT {} TO {}{}").format(
                sql.SQL(", ").join(sql.SQL(privilege) for privilege in privileges),
                oid,
                sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION") if grantable else sql.SQL(""),
            )
        )
    if found.comment is not None:
        statements.append(sql.SQL("COMMENT ON LARGE OBJECT {} IS {}").format(oid, sql.Literal(found.comment)))
    for statement in statements:
        try:
            target.execute(statement)
        except Error as error:
            if target.closed:
                raise
            job.find(
                "PM2005",
                Level.WARNING,
                f"large object {found.oid}",
                "Its owner, grants or comment could not be restored.",
                why="The content is complete, but other roles than the migration's user may not reach it.",
                fix="Run the statement as a user who may.",
                fix_sql=statement.as_string(None) + ";",
                server_message=str(error).strip(),
                phase="constraints",
            )
