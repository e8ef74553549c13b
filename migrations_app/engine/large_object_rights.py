"""Give every large object its owner, grants and comment; in batches, each under the run's fence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_objects import BATCH, LargeObject, read_large_objects
from migrations_app.engine.postgres import Connection, Error, sql

SHOWN_STATEMENTS = 1000


@dataclass(frozen=True)
class _Right:
    """One statement. ``kind`` says in words what it restores; refusals of one kind are one finding."""

    oid: int
    kind: str
    statement: sql.Composed


@dataclass
class _Refusals:
    """What was refused of one kind, and the server's words for the first."""

    oids: set[int] = field(default_factory=set)
    statements: list[str] = field(default_factory=list)
    server_message: str = ""

    def add(self, right: _Right, error: Error) -> None:
        """Take one refused statement."""
        self.oids.add(right.oid)
        self.statements.append(right.statement.as_string(None) + ";")
        self.server_message = self.server_message or str(error).strip()


def restore_large_object_rights(job: DatabaseJob) -> None:
    """Give every copied large object its owner, grants and comment; what is refused becomes a finding for each kind.

    Safe to repeat. Raises ``LeaseLost`` when a newer run owns the migration, or the reason to stop.
    """
    with job.target.connected(job.database.target_name, purpose="large-objects") as target:
        done = job.markers.read(target, "lo")
    restore_rights_of(job, {int(oid) for oid in done})


def restore_rights_of(job: DatabaseJob, oids: Collection[int]) -> None:
    """Give these large objects their owners, grants and comments, like ``restore_large_object_rights``."""
    wanted = set(oids)
    with job.source.connected(job.database.source_name, purpose="large-objects") as source:
        objects = [found for found in read_large_objects(source) if found.oid in wanted]
    refusals: dict[str, _Refusals] = defaultdict(_Refusals)
    with job.target.connected(job.database.target_name, purpose="large-objects", read_only=False) as target:
        own = [words for found in objects for words in _rights_of_provider(job, found)]
        job.left_out("rights on large objects", own, phase="constraints")
        target.execute("SET synchronous_commit = off")
        for start in range(0, len(objects), BATCH):
            job.control.check()
            rights = [right for found in objects[start : start + BATCH] for right in _rights(job, found)]
            _restore(job, target, rights, refusals)
    for kind, refused in refusals.items():
        _tell(job, kind, refused)


def _restore(job: DatabaseJob, target: Connection, rights: Sequence[_Right], refusals: dict[str, _Refusals]) -> None:
    """Run a batch at once; where something in it is refused, each statement for itself."""
    try:
        with target.transaction():
            job.markers.hold_on(target)
            target.execute(sql.SQL("; ").join(right.statement for right in rights))
    except Error:
        job.control.check()  # a statement that was interrupted was not refused
        if target.closed:
            raise
        with target.transaction():
            job.markers.hold_on(target)
            for right in rights:
                _restore_one(job, target, right, refusals)


def _restore_one(job: DatabaseJob, target: Connection, right: _Right, refusals: dict[str, _Refusals]) -> None:
    job.control.check()
    try:
        with target.transaction():
            target.execute(right.statement)
    except Error as error:
        job.control.check()
        if target.closed:
            raise
        refusals[right.kind].add(right, error)


def _rights_of_provider(job: DatabaseJob, found: LargeObject) -> list[str]:
    roles = [found.owner, *(grantee for grantee, _, _ in found.grants or ())]
    return [f"{role} on {found.oid}" for role in roles if job.provider_of(role)]


def _rights(job: DatabaseJob, found: LargeObject) -> Iterator[_Right]:
    oid = sql.Literal(found.oid)
    if job.provider_of(found.owner) is None:
        owner = sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(oid, sql.Identifier(found.owner))
        yield _Right(found.oid, f"owner {found.owner}", owner)
    if found.grants is not None:
        revoke = sql.SQL("REVOKE ALL ON LARGE OBJECT {} FROM PUBLIC").format(oid)
        yield _Right(found.oid, "grants to PUBLIC", revoke)
    for grantee, privileges, grantable in found.grants or ():
        if job.provider_of(grantee):
            continue
        grant = sql.SQL("GRANT {} ON LARGE OBJECT {} TO {}{}").format(
            sql.SQL(", ").join(sql.SQL(privilege) for privilege in privileges),
            oid,
            sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION") if grantable else sql.SQL(""),
        )
        yield _Right(found.oid, f"grants to {grantee or 'PUBLIC'}", grant)
    if found.comment is not None:
        comment = sql.SQL("COMMENT ON LARGE OBJECT {} IS {}").format(oid, sql.Literal(found.comment))
        yield _Right(found.oid, "comments", comment)


def _tell(job: DatabaseJob, kind: str, refused: _Refusals) -> None:
    left_out = len(refused.statements) - SHOWN_STATEMENTS
    script = refused.statements[:SHOWN_STATEMENTS]
    if left_out > 0:
        script.append(
            f"-- … and {left_out:,} more: one for each large object of pg_largeobject_metadata on the source."
        )
    job.find(
        "PM4005",
        Level.WARNING,
        f"large objects: {kind}",
        f"This could not be restored for {len(refused.oids):,} of them.",
        why="The content is complete, but other roles than the migration's user may not reach it.",
        fix="Run the script as a user who may.",
        fix_sql="\n".join(script),
        server_message=refused.server_message,
        phase="constraints",
    )
