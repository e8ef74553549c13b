"""Read the messages of pgoutput, the server's own logical decoding: bytes in, small values out.

https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html. A row of a change costs about a
microsecond, so what travels a million times is a tuple, a list and bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from migrations_app.engine.errors import EngineError

BEGIN: Final = ord("B")
COMMIT: Final = ord("C")
ORIGIN: Final = ord("O")
RELATION: Final = ord("R")
TYPE: Final = ord("Y")
MESSAGE: Final = ord("M")
INSERT: Final = ord("I")
UPDATE: Final = ord("U")
DELETE: Final = ord("D")
TRUNCATE: Final = ord("T")
STREAM_START: Final = ord("S")
STREAM_STOP: Final = ord("E")
STREAM_COMMIT: Final = ord("c")
STREAM_ABORT: Final = ord("A")
# An update of which some values are UNCHANGED; ours, not the protocol's.
PARTIAL_UPDATE: Final = ord("u")

CASCADE = 1
RESTART_IDENTITY = 2

_TEXT, _NULL, _TOAST, _NEW, _FULL_OLD = ord("t"), ord("n"), ord("u"), ord("N"), ord("O")
_PADDING = b"\0\0\0\0"  # lets a kind and a length be read in one go, even of the last value of a message
_kind_and_length = struct.Struct(">BI").unpack_from
_uint16 = struct.Struct(">H").unpack_from
_uint32 = struct.Struct(">I").unpack_from
_uint64 = struct.Struct(">Q").unpack_from


class MalformedMessage(EngineError):
    """The server sent something that is no message of pgoutput."""


class Unchanged(Enum):
    """Stands in a row for a value that the server did not send because the update left it as it was (TOAST)."""

    VALUE = "unchanged"


UNCHANGED: Final = Unchanged.VALUE

# A row has one element for each published column: bytes in the session's encoding, None for NULL, or UNCHANGED.
Row = list[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A table as the publisher describes it; one object for each description.

    ``key`` are the indexes of the columns of the replica identity, all of them where it is FULL.
    ``overhead_bytes`` is about what a row of it costs in memory above its bytes.
    """

    oid: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    overhead_bytes: int = field(default=0)

    @property
    def is_full(self) -> bool:
        """True where the publisher sends the whole old row."""
        return self.replica_identity == "f"

    @property
    def label(self) -> str:
        """``schema.table`` for people."""
        return f"{self.schema}.{self.name}"

    def says_the_same_as(self, other: Relation | None) -> bool:
        """Tell whether two descriptions are equal."""
        return other is not None and _content(self) == _content(other)


def _content(relation: Relation) -> tuple[object, ...]:
    identity = (relation.oid, relation.schema, relation.name, relation.replica_identity)
    return (*identity, relation.columns, relation.key)


@dataclass(frozen=True, slots=True)
class Truncation:
    """The tables that were truncated together, and the options of the statement."""

    relations: tuple[Relation, ...]
    options: int


# Kind, relation, old row (None where none was sent), new row (None for a delete); of TRUNCATE a Truncation instead.
Change = tuple[int, Relation, Any, Any]


class Decoder:
    """Decodes the messages of one connection; it remembers the tables that were described."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._relations: dict[int, Relation] = {}

    def relation(self, data: bytes, position: int) -> None:
        """Take in the description of a table, which begins at ``position`` (after the kind, and the xid if any)."""
        (oid,) = _uint32(data, position)
        schema, position = self._string(data, position + 4)
        name, position = self._string(data, position)
        identity = chr(data[position])
        (count,) = _uint16(data, position + 1)
        position += 3
        columns, key = [], []
        for index in range(count):
            if data[position] & 1:
                key.append(index)
            column, position = self._string(data, position + 1)
            columns.append(column)
            position += 8  # the type's OID and modifier, which mean nothing on another server
        found = Relation(
            oid, schema or "pg_catalog", name, identity, tuple(columns), tuple(key), overhead_bytes=200 + 45 * count
        )
        if not found.says_the_same_as(self._relations.get(oid)):
            self._relations[oid] = found

    def change(self, data: bytes, position: int, kind: int) -> Change:
        """Return one change, whose body begins at ``position``. Raises ``MalformedMessage``."""
        if kind == TRUNCATE:
            truncation = self._truncation(data, position)
            return (TRUNCATE, truncation.relations[0], None, truncation)
        padded = data + _PADDING
        (oid,) = _uint32(data, position)
        try:
            relation = self._relations[oid]
        except KeyError:
            raise _malformed(f"a change of the undescribed table {oid}") from None
        marker = data[position + 4]
        old: Row | None = None
        row, end, partial = _row(padded, position + 5)
        if marker != _NEW and kind != INSERT:
            old = row
            if kind == DELETE:
                return (DELETE, relation, old, None)
            row, end, partial = _row(padded, end + 1)
        if end > len(data):
            raise _malformed("a row that ends behind its message")
        if partial and kind == UPDATE:
            return self._partial(relation, old, row)
        return (kind, relation, old, row)

    @staticmethod
    def _partial(relation: Relation, old: Row | None, row: Row) -> Change:
        """Fill what is unchanged from the old row, where that was sent whole; of a key only the key was sent."""
        if old is not None:
            known = range(len(row)) if relation.is_full else relation.key
            for index in known:
                if row[index] is UNCHANGED:
                    row[index] = old[index]
        return (PARTIAL_UPDATE if UNCHANGED in row else UPDATE, relation, old, row)

    def _truncation(self, data: bytes, position: int) -> Truncation:
        (count,) = _uint32(data, position)
        oids = [_uint32(data, position + 5 + 4 * index)[0] for index in range(count)]
        return Truncation(tuple(self._relations[oid] for oid in oids), data[position + 4])

    def _string(self, data: bytes, position: int) -> tuple[str, int]:
        end = data.index(0, position)
        return data[position:end].decode(self._codec), end + 1


def _row(data: bytes, position: int) -> tuple[Row, int, bool]:
    """Return the row that begins at ``position``, where it ends, and whether a value of it is UNCHANGED."""
    (count,) = _uint16(data, position)
    position += 2
    partial = False
    row: Row = []
    append = row.append
    for _ in range(count):
        kind, length = _kind_and_length(data, position)
        if kind == _TEXT:
            start = position + 5
            position = start + length
            append(data[start:position])
        elif kind == _NULL:
            position += 1
            append(None)
        elif kind == _TOAST:
            position += 1
            partial = True
            append(UNCHANGED)
        else:
            raise _malformed(f"a value of the kind {kind}")
    return row, position, partial


def begin_lsn(data: bytes, position: int) -> int:
    """Return where the commit of a beginning transaction lies in the log."""
    return int(_uint64(data, position)[0])


def commit_end_lsn(data: bytes, position: int) -> int:
    """Return where the transaction ends in the log: the place from which to go on. For COMMIT."""
    return int(_uint64(data, position + 9)[0])


def stream_xid(data: bytes, position: int) -> int:
    """Return the transaction (or subtransaction) that a streamed message names first."""
    return int(_uint32(data, position)[0])


def _malformed(what: str) -> MalformedMessage:
    return MalformedMessage(
        f"The stream of changes holds {what}, which no version of PostgreSQL up to 18 sends.",
        hint="Report this with the versions of both servers; the apply stopped before it did anything wrong.",
    )
