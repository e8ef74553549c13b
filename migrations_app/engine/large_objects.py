"""Copy large objects, identity and content; in batches, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.snapshot import Snapshot

CHUNK_BYTES = 4 * 1024 * 1024
BATCH = 200
AGAIN = "recopy large object"  # a kind of notes: OIDs that verification found different


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
        _remove_differing(job, target)
        done = job.markers.read(target, "lo")
        objects = [found for found in read_large_objects(source) if str(found.oid) not in done]
        target.execute("SET synchronous_commit = off")
        for start in range(0, len(objects), BATCH):
            job.control.check()
            batch = objects[start : start + BATCH]
            with target.transaction():
                job.markers.hold_on(target)
                for found in batch:
                    copy_content(source, target, found.oid)
                job.markers.add(target, kind="lo", keys=[str(found.oid) for found in batch])
        if objects:
            job.note(f"Copied {len(objects):,} large objects.")


def _remove_differing(job: DatabaseJob, target: Connection) -> None:
    """Remove what verification found different, with the notes that it was copied, so that it is copied again."""
    oids = sorted(job.markers.read(target, AGAIN))
    for start in range(0, len(oids), BATCH):
        job.control.check()
        batch = oids[start : start + BATCH]
        with target.transaction():
            job.markers.hold_on(target)
            target.execute(
                "SELECT lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = ANY (%s::oid[])", (batch,)
            )
            for kind in ("lo", AGAIN):
                job.markers.forget(target, kind=kind, keys=batch)


def read_large_objects(source: Connection) -> list[LargeObject]:
    """Return the large objects that ``source`` sees."""
    return fetch(source, "copied_large_objects", LargeObject)


def copy_content(source: Connection, target: Connection, oid: int) -> None:
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
