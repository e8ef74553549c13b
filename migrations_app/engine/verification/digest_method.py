"""How rows are hashed: one way that gives the same number on both servers of a migration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.spec import VerificationLevel


class HashFunction(StrEnum):
    """What turns the text of a row into 64 bits."""

    NONE = "count only"
    HASHTEXTEXTENDED = "hashtextextended"
    MD5 = "md5"
    MD5_UTF8 = "md5 of UTF-8"


@dataclass(frozen=True)
class DigestMethod:
    """The way of hashing. ``floats_as_bytes``: the servers print floating-point numbers differently."""

    function: HashFunction
    floats_as_bytes: bool = False

    @property
    def label(self) -> str:
        """The method as a word in a digest; digests of different methods are not comparable."""
        return f"{self.function}{', floats as bytes' if self.floats_as_bytes else ''}"


COUNTS = DigestMethod(HashFunction.NONE)


@dataclass(frozen=True)
class ServerTraits:
    """What of a server decides the method. ``probe`` is hashtextextended of a known text, None before version 11."""

    version: int
    encoding: str
    probe: int | None


def read_traits(connection: Connection) -> ServerTraits:
    """Look at the server and database behind ``connection``; ``version`` is the major version."""
    version = connection.info.server_version // 10000
    encoding = connection.execute("SELECT pg_catalog.getdatabaseencoding()").fetchone()
    probe = None
    if version >= 11:
        row = connection.execute("SELECT hashtextextended('proof that the data arrived', 0)").fetchone()
        probe = int(row[0]) if row else None
    return ServerTraits(version, str(encoding[0]) if encoding else "", probe)


def choose_method(
    *, source: ServerTraits, target: ServerTraits, level: VerificationLevel = VerificationLevel.FULL
) -> DigestMethod:
    """Return the fastest method that hashes equal rows to equal numbers on both servers.

    hashtextextended exists since version 11 and its result depends on the byte order of the machine, which the probe
    shows; where encodings differ, the text is converted first. Version 12 began to print the shortest exact
    floating-point numbers.
    """
    if level is not VerificationLevel.FULL:
        return COUNTS
    floats_as_bytes = (source.version < 12) != (target.version < 12)
    if source.encoding != target.encoding:
        return DigestMethod(HashFunction.MD5_UTF8, floats_as_bytes)
    if source.probe is None or source.probe != target.probe:
        return DigestMethod(HashFunction.MD5, floats_as_bytes)
    return DigestMethod(HashFunction.HASHTEXTEXTENDED, floats_as_bytes)


_HASHES = {
    HashFunction.HASHTEXTEXTENDED: sql.SQL('hashtextextended({} COLLATE pg_catalog."C", 0)'),
    HashFunction.MD5: sql.SQL("('x' || left(md5({}), 16))::bit(64)::bigint"),
    HashFunction.MD5_UTF8: sql.SQL("('x' || left(md5(convert_to({}, 'UTF8')), 16))::bit(64)::bigint"),
}


def hash_of(text: sql.Composable, *, method: DigestMethod) -> sql.Composed:
    """Return the SQL expression of the 64-bit hash of a text expression."""
    return _HASHES[method.function].format(text)
