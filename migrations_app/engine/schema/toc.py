"""The table of contents of a dump, with the statements of each entry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

LIST_LINE = re.compile(rb"^(\d+); (\d+) (\d+) (.*)$")
HEADER = re.compile(
    rb"^--\n-- TOC entry (\d+) \(class (\d+) OID (\d+)\)\n(?:-- Dependencies: ([0-9 ]*)\n)?"
    rb"-- Name: (.*); Type: (.*); Schema: (.*); Owner: (.*)\n(?:-- Data Pos: .*\n)?--\n\n?",
    re.MULTILINE,
)
# pg_restore prints these between entries, after the previous one's statements; our sessions set them once.
BETWEEN = re.compile(rb"^SET (default_tablespace|default_table_access_method|default_with_oids) = .*;\n", re.MULTILINE)
ACCESS_METHOD = re.compile(rb"^SET default_table_access_method = (.*);$", re.MULTILINE)
HEAP = b"heap"
FOOTER = re.compile(
    rb"^-- Completed on .*\n|^--\n-- PostgreSQL database dump complete\n--\n|^\\unrestrict .*\n", re.MULTILINE
)


SECRET_TYPES = ("USER MAPPING", "SERVER", "FOREIGN TABLE", "SUBSCRIPTION")
OPTIONS = re.compile(r"OPTIONS\s*\(.*\)", re.DOTALL)


@dataclass(frozen=True)
class TocEntry:
    """One entry: what it is, who owns it, and its SQL (bytes in the dump's encoding, ``codec``).

    ``sql`` creates the object without its owner, ``owner_sql`` gives it to ``owner``.
    ``class_oid`` and ``oid`` are those of the object on the source.
    """

    id: int
    class_oid: int
    oid: int
    type: str
    schema: str
    name: str
    owner: str
    sql: bytes
    owner_sql: bytes = b""
    codec: str = "utf-8"

    @property
    def key(self) -> str:
        """A name for this entry's content that is the same in every dump of the same schema."""
        identity = f"{self.type}\0{self.schema}\0{self.name}\0".encode(errors="surrogateescape") + self.sql
        return hashlib.sha256(identity).hexdigest()[:40]

    @property
    def label(self) -> str:
        """The object in words: ``INDEX shop.orders_by_day``."""
        return f"{self.type} {self.schema}.{self.name}" if self.schema else f"{self.type} {self.name}"

    @property
    def text(self) -> str:
        """The statement for people, without the options of foreign servers: they may hold passwords."""
        return self.shown(self.sql)

    def shown(self, statement: bytes) -> str:
        """Return a statement of this entry as people may see it."""
        text = statement.decode(self.codec, errors="replace").strip()
        return OPTIONS.sub("OPTIONS (…)", text) if self.type in SECRET_TYPES else text


def listed_identities(listing: bytes) -> dict[int, tuple[int, int]]:
    """Read ``pg_restore --list``: dump id to (class OID, OID)."""
    found = (LIST_LINE.match(line) for line in listing.splitlines())
    return {int(m.group(1)): (int(m.group(2)), int(m.group(3))) for m in found if m}


def split(script: bytes, *, identities: dict[int, tuple[int, int]], codec: str) -> Iterator[TocEntry]:
    """Take a verbose script of pg_restore apart; ``codec`` is the encoding of its names.

    A header counts only if its id, class and OID are those of the list and were not seen before,
    so that text inside a function body cannot pass for one.
    """
    headers = []
    seen: set[int] = set()
    for match in HEADER.finditer(script):
        entry = int(match.group(1))
        if entry not in seen and identities.get(entry) == (int(match.group(2)), int(match.group(3))):
            seen.add(entry)
            headers.append(match)
    ends = [header.start() for header in headers[1:]] + [len(script)]
    access_method, before = HEAP, script[: headers[0].start()] if headers else b""
    for match, end in zip(headers, ends[: len(headers)], strict=True):
        body = script[match.end() : end]
        settings = ACCESS_METHOD.findall(before)
        access_method, before = settings[-1] if settings else access_method, body
        body = FOOTER.sub(b"", body) if end == len(script) else body
        yield _entry(match, body, access_method=access_method, codec=codec)


def _entry(match: re.Match[bytes], body: bytes, *, access_method: bytes, codec: str) -> TocEntry:
    name, kind, schema, owner = (match.group(i).decode(codec, errors="surrogateescape") for i in (5, 6, 7, 8))
    return TocEntry(
        id=int(match.group(1)),
        class_oid=int(match.group(2)),
        oid=int(match.group(3)),
        type=kind,
        schema="" if schema == "-" else schema,
        name=name,
        owner="" if owner == "-" else owner,
        sql=_in_access_method(access_method, _without_trailing_settings(body)),
        codec=codec,
    )


def _in_access_method(name: bytes, statement: bytes) -> bytes:
    """A table that is not a heap says so before its statement, and takes it back after it."""
    if name == HEAP or not statement.startswith((b"CREATE TABLE", b"CREATE MATERIALIZED VIEW")):
        return statement
    setting = b"SET LOCAL default_table_access_method = %s;\n"
    return setting % name + statement + b"\n" + setting % HEAP


def _without_trailing_settings(body: bytes) -> bytes:
    """Drop the SET lines that pg_restore printed for the next entry; the same words in a function body stay."""
    lines = body.rstrip(b"\n").split(b"\n")
    while lines and (not lines[-1].strip() or BETWEEN.match(lines[-1] + b"\n")):
        lines.pop()
    return b"\n".join(lines).strip(b"\n")


def with_owners(bare: list[TocEntry], owned: list[TocEntry]) -> list[TocEntry]:
    """Join two readings of the same dump: without owners, and with; the difference is the owner's statement."""
    by_id = {entry.id: entry for entry in owned}
    return [_join(entry, by_id[entry.id]) for entry in bare]


def _join(bare: TocEntry, owned: TocEntry) -> TocEntry:
    """Without owners pg_restore writes CREATE SCHEMA in words of its own, so there the statement is cut in two."""
    statement = bare.sql
    if bare.type == "SCHEMA":
        statement = owned.sql.partition(b"\n\n\nALTER SCHEMA ")[0]
    return replace(bare, sql=statement, owner=owned.owner, owner_sql=owned.sql.removeprefix(statement).strip())


def unquoted(name: str) -> str:
    """Return a name without the quotes that pg_dump puts around it where they are needed."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
