"""Large objects: number, bytes, content, owner, grants and comment, read with lo_get: no superuser is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrations_app.engine.control import Control
from migrations_app.engine.events import CheckResult
from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.verification.access import AccessRules
from migrations_app.engine.verification.digest import MODULUS
from migrations_app.engine.verification.digest_method import DigestMethod, HashFunction, hash_of
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.verdicts import Verdicts

BATCH = 500
CHUNK_BYTES = 16 * 1024 * 1024
SHOWN = 100


@dataclass(frozen=True)
class LargeObject:
    """One large object; ``hash`` is the sum of its chunks' hashes, None where only sizes are compared."""

    oid: int
    owner: str
    acl: list[str]
    comment: str | None
    bytes: int
    hash: int | None

    def content(self) -> tuple[int, int | None]:
        """What must be equal on both sides whoever owns it."""
        return self.bytes, self.hash


@dataclass(frozen=True)
class LargeObjectsDigest:
    """All large objects of a database at one moment."""

    count: int = 0
    bytes: int = 0
    hash: int = 0

    def with_object(self, found: LargeObject) -> LargeObjectsDigest:
        """Return the digest with one more object in it."""
        total = (self.hash + (found.hash or 0)) % MODULUS
        return LargeObjectsDigest(self.count + 1, self.bytes + found.bytes, total)

    def __str__(self) -> str:
        """``300 large objects, 3,000,000 bytes, hash …``, for people."""
        noun = "large object" if self.count == 1 else "large objects"
        return f"{self.count:,} {noun}, {self.bytes:,} bytes, hash {self.hash:016x}"


def digest_large_objects(connection: Connection, *, method: DigestMethod, control: Control) -> LargeObjectsDigest:
    """Digest all large objects as ``connection`` sees them. Raises psycopg errors."""
    digest, after = LargeObjectsDigest(), 0
    while batch := _read_batch(connection, after=after, method=method):
        control.check()
        for found in batch.values():
            digest = digest.with_object(found)
        after = max(batch)
    return digest


def verify_large_objects(
    source: Connection,
    target: Connection,
    *,
    method: DigestMethod,
    access: AccessRules,
    verdicts: Verdicts,
    control: Control,
    expected: LargeObjectsDigest | None = None,
    differing: list[int] | None = None,
) -> None:
    """Compare all large objects batch by batch, in constant memory, and report once, with up to 100 that differ.

    ``expected`` is the source's digest in the copy's snapshot; contents that changed on the source since do not count.
    ``differing`` takes the OIDs of those whose content is not the same.
    """
    before, after = LargeObjectsDigest(), LargeObjectsDigest()
    unlike: list[int] = []
    content, properties = Problems(), Problems()
    for wanted, present in walk_side_by_side(source, target, method=method, control=control):
        for oid in sorted(wanted.keys() | present.keys()):
            one, other = wanted.get(oid), present.get(oid)
            before = before if one is None else before.with_object(one)
            after = after if other is None else after.with_object(other)
            problem = _content_problem(oid, one, other)
            content.add(problem)
            unlike += [oid] * bool(problem)
            if one is not None and other is not None:
                properties.add(property_problems(one, other, access=access))
    if expected is not None and expected == after:
        before, content, unlike = expected, Problems(), []
    if differing is not None:
        differing += unlike
    if before.count or after.count:
        result = CheckResult.DIFFERENT if content.count or properties.count else CheckResult.IDENTICAL
        detail = "; ".join(filter(None, [str(content), str(properties)]))
        verdicts.add("large objects", "all", result, source=before, target=after, detail=detail)


class Problems:
    """Counts problems and keeps the first of them in words."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, problems: Iterable[str]) -> None:
        """Take note of problems."""
        for problem in problems:
            self.count += 1
            if len(self._first) < SHOWN:
                self._first.append(problem)

    def __str__(self) -> str:
        """The first problems, and how many more there are."""
        rest = self.count - len(self._first)
        return "; ".join([*self._first, *([f"and {rest:,} more"] if rest else [])])


def _content_problem(oid: int, one: LargeObject | None, other: LargeObject | None) -> list[str]:
    if other is None:
        return [f"{oid} is missing on the target"]
    if one is None:
        return [f"{oid} is only on the target"]
    if one.bytes != other.bytes:
        return [f"{oid} has {one.bytes:,} bytes on the source, {other.bytes:,} on the target"]
    return [] if one.hash == other.hash else [f"{oid} has another content on the target"]


def property_problems(one: LargeObject, other: LargeObject, *, access: AccessRules) -> Iterator[str]:
    """Yield what differs of owner, grants and comment, in words."""
    pairs = (
        ("owner", *access.comparable_owners(one.owner, other.owner)),
        ("grants", access.grants(one.acl, owner=one.owner), access.grants(other.acl, owner=other.owner)),
        ("comment", one.comment, other.comment),
    )
    for what, before, after in pairs:
        if before != after:
            yield f"{one.oid} has {what} {before!r} on the source, {after!r} on the target"


Batch = dict[int, LargeObject]


def walk_side_by_side(
    source: Connection, target: Connection, *, method: DigestMethod, control: Control
) -> Iterator[tuple[Batch, Batch]]:
    """Walk both sides by OID, in constant memory: each pair of batches covers the same range of OIDs."""
    after = 0
    while True:
        control.check()
        wanted = _read_batch(source, after=after, method=method)
        present = _read_batch(target, after=after, method=method)
        if not wanted and not present:
            return
        ends = [max(side) for side in (wanted, present) if len(side) == BATCH]
        end = min(ends) if ends else max([*wanted, *present])
        yield _up_to(wanted, end), _up_to(present, end)
        after = end


def _up_to(batch: Batch, end: int) -> Batch:
    return {oid: found for oid, found in batch.items() if oid <= end}


def _read_batch(connection: Connection, *, after: int, method: DigestMethod) -> Batch:
    rows = connection.execute(query("large_objects"), {"after": after, "batch": BATCH}).fetchall()
    contents = _read_contents(connection, [row[0] for row in rows], method=method)
    return {
        oid: LargeObject(oid, owner, acl, comment, bytes=contents[oid][0], hash=contents[oid][1])
        for oid, owner, acl, comment in rows
    }


def _read_contents(
    connection: Connection, oids: list[int], *, method: DigestMethod
) -> dict[int, tuple[int, int | None]]:
    """Return size and hash of each object; one that fills the first chunk is read on, chunk by chunk."""
    found = dict.fromkeys(oids, (0, 0))
    offset, todo = 0, oids
    while todo:
        rows = connection.execute(
            _chunk_query(method), {"oids": todo, "offset": offset, "bytes": CHUNK_BYTES}
        ).fetchall()
        for oid, size, hashed in rows:
            found[oid] = (found[oid][0] + size, (found[oid][1] + hashed) % MODULUS)
        todo = [oid for oid, size, _ in rows if size == CHUNK_BYTES]
        offset += CHUNK_BYTES
    if method.function is HashFunction.NONE:
        return {oid: (size, None) for oid, (size, _) in found.items()}
    return {oid: (size, hashed) for oid, (size, hashed) in found.items()}


def _chunk_query(method: DigestMethod) -> sql.Composed:
    # OFFSET 0 keeps the planner from reading each chunk twice.
    return sql.SQL(
        "SELECT o.oid::bigint, octet_length(c.chunk), {hashed} FROM unnest(%(oids)s::bigint[]::oid[]) AS o(oid)"
        " CROSS JOIN LATERAL (SELECT lo_get(o.oid, %(offset)s::bigint, %(bytes)s::int) AS chunk OFFSET 0) c"
    ).format(hashed=_chunk_hash(method))


def _chunk_hash(method: DigestMethod) -> sql.Composable:
    if method.function is HashFunction.NONE:
        return sql.SQL("0")
    content = sql.SQL("sha256(c.chunk)" if method.function is HashFunction.HASHTEXTEXTENDED else "md5(c.chunk)")
    text = sql.SQL("ROW(o.oid, %(offset)s::bigint, {})::text").format(content)
    return hash_of(text, method=method)
