"""Read the messages of pgoutput, the server's own logical decoding: bytes in, small values out.

https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html. A row of a change costs about a
microsecond, so what travels a million times is a tuple, a list and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
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

_TEXT, _NULL, _TOAST, _NEW = ord("t"), ord("n"), ord("u"), ord("N")
_PADDING = b"\0\0\0\0"  # lets a kind and a length be read in one go, even of the last value of a message
_kind_and_length = struct.Struct(">BI").unpack_from
_uint16 = struct.Struct(">H").unpack_from
_uint32 = struct.Struct(">I").unpack_from
_uint64 = struct.Struct(">Q").unpack_from
_oid_and_marker = struct.Struct(">IB").unpack_from
_type_and_modifier = struct.Struct(">Ii").unpack_from


class MalformedMessage(EngineError):
    """The server sent something that is no message of pgoutput."""


class Unchanged(Enum):
    """Stands in a row for a value that the server did not send because the update left it as it was (TOAST)."""

    VALUE = "unchanged"


UNCHANGED: Final = Unchanged.VALUE

# A row has one element for each published column: bytes in the session's encoding, None for NULL, or UNCHANGED.
# A tuple, as the garbage collector looks at a tuple of bytes only once.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SentType:
    """The type of a published column; ``name`` where it is not built in, of a domain that of its base type."""

    oid: int
    modifier: int
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A table as the publisher describes it; one object for each description.

    ``key`` are the indexes of the columns of the replica identity, all of them where it is FULL.
    ``overhead_bytes`` is about what a row of it costs in memory above its bytes. ``types`` are those of the columns;
    ``first_lsn`` is the end of the first transaction, as ``begin_lsn`` tells it, whose rows have this description.
    """

    oid: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    overhead_bytes: int = field(default=0)
    types: tuple[SentType, ...] = ()
    first_lsn: int = 0

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
    return (*identity, relation.columns, relation.key, relation.types)


@dataclass(frozen=True, slots=True)
class Truncation:
    """The tables that were truncated together, and the options of the statement."""

    relations: tuple[Relation, ...]
    options: int


# Kind, relation, old row (None where none was sent), new row (None for a delete); of TRUNCATE a Truncation instead.
Change = tuple[int, Relation, Any, Any]
# Changes one after the other, each as its four elements: millions of tuples would keep the garbage collector busy.
FlatChanges = list[Any]


def unpacked(flat: FlatChanges) -> Iterator[Change]:
    """Return the changes one by one."""
    one = iter(flat)
    return zip(one, one, one, one, strict=True)


class Decoder:
    """Decodes the messages of one connection; it remembers the tables that were described."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._relations: dict[int, Relation] = {}
        self._types: dict[int, str] = {}
        self.transaction_lsn = 0

    def for_transaction(self, described: Iterable[Relation], *, lsn: int = 0) -> Decoder:
        """Return a decoder for a transaction that sees tables as this one does, and as it ``described`` itself."""
        decoder = Decoder(self._codec)
        decoder._relations = self._relations.copy()
        decoder._types = self._types
        decoder.transaction_lsn = lsn
        decoder.adopt(described, lsn=lsn)
        return decoder

    def adopt(self, described: Iterable[Relation], *, lsn: int) -> None:
        """Take in descriptions of the transaction of ``lsn``; one that says the same as before changes nothing."""
        for relation in described:
            if not relation.says_the_same_as(self._relations.get(relation.oid)):
                self._relations[relation.oid] = replace(relation, first_lsn=lsn)

    def relation(self, data: bytes, position: int) -> Relation:
        """Take in the description of a table, which begins at ``position`` (after the kind), and return it."""
        self.adopt([self.described(data, position)], lsn=self.transaction_lsn)
        return self._relations[_uint32(data, position)[0]]

    def described(self, data: bytes, position: int) -> Relation:
        """Read the description of a table."""
        (oid,) = _uint32(data, position)
        schema, position = self._string(data, position + 4)
        name, position = self._string(data, position)
        identity = chr(data[position])
        (count,) = _uint16(data, position + 1)
        position += 3
        columns, key, types = [], [], []
        for index in range(count):
            if data[position] & 1:
                key.append(index)
            column, position = self._string(data, position + 1)
            columns.append(column)
            type_oid, modifier = _type_and_modifier(data, position)
            types.append(SentType(type_oid, modifier, self._types.get(type_oid, "")))
            position += 8
        return Relation(
            oid,
            schema or "pg_catalog",
            name,
            identity,
            tuple(columns),
            tuple(key),
            overhead_bytes=200 + 45 * count,
            types=tuple(types),
        )

    def type(self, data: bytes, position: int) -> None:
        """Take in the name of a type that is not built in; the server sends it before the first table that has it."""
        (oid,) = _uint32(data, position)
        _, position = self._string(data, position + 4)
        self._types[oid], _ = self._string(data, position)

    def change(self, data: bytes, position: int, kind: int, into: FlatChanges) -> Relation:
        """Append one change, whose body begins at ``position``, and return its table. Raises ``MalformedMessage``."""
        if kind == TRUNCATE:
            truncation = self._truncation(data, position)
            into += (TRUNCATE, truncation.relations[0], None, truncation)
            return truncation.relations[0]
        padded = data + _PADDING
        oid, marker = _oid_and_marker(padded, position)
        try:
            relation = self._relations[oid]
        except KeyError:
            raise malformed(f"a change of the undescribed table {oid}") from None
        if marker == _NEW:
            row = _whole_row(padded, position + 5)
            if row is not None:
                into += (kind, relation, None, row)
                return relation
        into += self._with_old_row(padded, position + 4, kind, relation)
        return relation

    @staticmethod
    def _with_old_row(data: bytes, position: int, kind: int, relation: Relation) -> Change:
        """Read a change that has an old row, or values that were not sent."""
        old: Row | None = None
        marker = data[position]
        row, position = _row(data, position + 1)
        if marker != _NEW:
            old = tuple(row)
            if kind == DELETE:
                return (DELETE, relation, old, None)
            row, position = _row(data, position + 1)
        if position > len(data) - len(_PADDING):
            raise malformed("a row that ends behind its message")
        for index in range(len(row)) if relation.is_full else relation.key:
            if row[index] is UNCHANGED:
                row[index] = _known_before(old, index, relation)
        return (PARTIAL_UPDATE if UNCHANGED in row else kind, relation, old, tuple(row))

    def _truncation(self, data: bytes, position: int) -> Truncation:
        (count,) = _uint32(data, position)
        oids = [_uint32(data, position + 5 + 4 * index)[0] for index in range(count)]
        return Truncation(tuple(self._relations[oid] for oid in oids), data[position + 4])

    def _string(self, data: bytes, position: int) -> tuple[str, int]:
        end = data.index(0, position)
        return data[position:end].decode(self._codec), end + 1


def _whole_row(data: bytes, position: int) -> Row | None:
    """Return the row that begins at ``position``, or None where a value of it was not sent. The hot path."""
    (count,) = _uint16(data, position)
    position += 2
    row: list[Any] = []
    append = row.append
    for _ in range(count):
        kind, length = _kind_and_length(data, position)
        if kind == _TEXT:
            append(data[position + 5 : (position := position + 5 + length)])
        elif kind == _NULL:
            position += 1
            append(None)
        else:
            return None
    if position != len(data) - 4:
        raise malformed("a row that does not end with its message")
    return tuple(row)


def _row(data: bytes, position: int) -> tuple[list[Any], int]:
    """Return the row that begins at ``position``, and where it ends."""
    (count,) = _uint16(data, position)
    position += 2
    row: list[Any] = []
    for _ in range(count):
        kind, length = _kind_and_length(data, position)
        if kind == _TEXT:
            row.append(data[position + 5 : (position := position + 5 + length)])
        elif kind in (_NULL, _TOAST):
            position += 1
            row.append(None if kind == _NULL else UNCHANGED)
        else:
            raise malformed(f"a value of the kind {kind}")
    return row, position


def _known_before(old: Row | None, index: int, relation: Relation) -> bytes | None:
    """Return an unchanged value from the old row; old servers send none where a long key stayed as it was."""
    if old is None:
        raise MalformedMessage(
            f"A row of {relation.label} was updated, and the publisher did not send the long value of its key column "
            f"{relation.columns[index]}, so that the row cannot be found.",
            hint="Update the publisher to the newest minor version (February 2022 or later), or copy the table again.",
        )
    value: bytes | None = old[index]
    return value


def begin_lsn(data: bytes, position: int) -> int:
    """Return where the commit of a beginning transaction lies in the log."""
    return int(_uint64(data, position)[0])


def commit_end_lsn(data: bytes, position: int) -> int:
    """Return where the transaction ends in the log: the place from which to go on. For COMMIT."""
    return int(_uint64(data, position + 9)[0])


def xid(data: bytes, position: int) -> int:
    """Return the number of a transaction or subtransaction."""
    return int(_uint32(data, position)[0])


def stream_commit_lsns(data: bytes, position: int) -> tuple[int, int]:
    """Return where the commit of a streamed transaction lies in the log, and where it ends. For STREAM_COMMIT."""
    return int(_uint64(data, position + 5)[0]), int(_uint64(data, position + 13)[0])


def malformed(what: str) -> MalformedMessage:
    """Return the error for a stream that holds something we do not know: better no apply than a wrong one."""
    return MalformedMessage(
        f"The stream of changes holds {what}, which no version of PostgreSQL up to 18 sends.",
        hint="Report this with the versions of both servers; the apply stopped before it did anything wrong.",
    )
