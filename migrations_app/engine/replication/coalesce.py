"""The net effect of a stretch of changes: what remains to be done to each row, whatever happened to it on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from migrations_app.engine.replication.pgoutput import (
    DELETE,
    INSERT,
    PARTIAL_UPDATE,
    TRUNCATE,
    UNCHANGED,
    Change,
    Relation,
    Row,
    Truncation,
)
from migrations_app.engine.replication.subscriber_table import Matching, SubscriberTable

# After so many changes in a row that could be coalesced, a table leaves the order of the source again.
CALM_CHANGES = 50

Key = Any  # the bytes of a single key column, or a tuple of bytes
KeyOf = Callable[[Row], Key]


class OutOfOrder(Exception):
    """The stretch cannot be coalesced: a row came twice, or went twice. It must be applied change by change."""


@dataclass(slots=True)
class KeyedChanges:
    """The net effect on rows that are found by key: first the deletes, then the updates, then the inserts."""

    deletes: dict[Key, None] = field(default_factory=dict)
    updates: dict[Key, Row] = field(default_factory=dict)
    inserts: dict[Key, Row] = field(default_factory=dict)
    partial: bool = False

    def insert(self, key: Key, row: Row) -> None:
        """A new row; one that was deleted before is deleted and inserted again."""
        if key in self.inserts or key in self.updates:
            raise OutOfOrder
        self.inserts[key] = row

    def update(self, key: Key, row: Row, *, partial: bool) -> None:
        """A row has other values."""
        for pending in (self.inserts, self.updates):
            if key in pending:
                pending[key] = _merged(pending[key], row) if partial else row
                return
        if key in self.deletes:
            raise OutOfOrder
        self.updates[key] = row
        self.partial = self.partial or partial

    def delete(self, key: Key) -> None:
        """A row is gone."""
        if key in self.inserts:
            del self.inserts[key]
            return
        if key in self.deletes:
            raise OutOfOrder
        self.updates.pop(key, None)
        self.deletes[key] = None


def _merged(before: Row, after: Row) -> Row:
    return [old if new is UNCHANGED else new for old, new in zip(before, after, strict=True)]


Image = tuple[bytes | None, ...]


class ImageChanges:
    """The net effect on rows without a key: rows of equal values are the same to us, however many there are.

    A pair is the row before (None for an insert) and the row after (None for a delete).
    """

    __slots__ = ("_by_result", "_pairs")

    def __init__(self) -> None:
        self._pairs: dict[int, list[Row | None]] = {}
        self._by_result: dict[Image, list[int]] = {}

    def add(self, before: Row | None, after: Row | None) -> None:
        """Take one change in; one that touches the result of an earlier one is merged with it."""
        pending = self._by_result.get(tuple(before)) if before is not None else None
        if not pending:
            number = len(self._pairs)
            self._pairs[number] = [before, after]
        else:
            number = pending.pop()
            self._pairs[number][1] = after
        if after is not None:
            self._by_result.setdefault(tuple(after), []).append(number)

    @property
    def deletes(self) -> list[Row]:
        """Rows to delete, by all of their values."""
        return [before for before, after in self._pairs.values() if before is not None and after is None]

    @property
    def updates(self) -> list[tuple[Row, Row]]:
        """Rows to update: all values before, and after."""
        return [(before, after) for before, after in self._pairs.values() if before is not None and after is not None]

    @property
    def inserts(self) -> list[Row]:
        """New rows."""
        return [after for before, after in self._pairs.values() if before is None and after is not None]


@dataclass(slots=True)
class OrderedChanges:
    """Changes that are applied one by one in the order of the source."""

    changes: list[Change] = field(default_factory=list)
    calm: int = 0


Segment = KeyedChanges | ImageChanges | OrderedChanges
Opened = TypeVar("Opened", KeyedChanges, OrderedChanges)


class TableChanges:
    """What happens to one table between two barriers; its segments are applied in their order."""

    __slots__ = ("_images", "_key_of", "_last", "segments", "table")

    def __init__(self, table: SubscriberTable) -> None:
        self.table = table
        self.segments: list[Segment] = []
        self._key_of = key_reader(table)
        self._last: Segment | None = None
        self._images = ImageChanges()
        if table.matching is not Matching.KEY:
            self.segments.append(self._images)

    def _open(self, segment: Opened) -> Opened:
        self.segments.append(segment)
        self._last = segment
        return segment

    def add(self, change: Change) -> None:
        """Take one change in. Raises ``OutOfOrder``."""
        if self.table.matching is Matching.KEY:
            self._add_keyed(change)
            return
        self._images.add(change[2], change[3])

    def _add_keyed(self, change: Change) -> None:
        kind, _, old, new = change
        key = self._key_of(new if old is None else old)
        moved = new is not None and old is not None and self._key_of(new) != key
        segment = self._last
        if type(segment) is OrderedChanges:
            segment.calm = 0 if moved else segment.calm + 1
            if segment.calm < CALM_CHANGES:
                segment.changes.append(change)
                return
        if moved:
            self._open(OrderedChanges([change]))
            return
        if type(segment) is not KeyedChanges:
            segment = self._open(KeyedChanges())
        if kind == INSERT:
            segment.insert(key, new)
        elif kind == DELETE:
            segment.delete(key)
        else:
            segment.update(key, new, partial=kind == PARTIAL_UPDATE)


def key_reader(table: SubscriberTable) -> KeyOf:
    """Return a function from a row to the values of its key."""
    if len(table.key) == 1:
        return _single_key(table.key[0])
    key = table.key

    def read(row: Row) -> Key:
        return tuple([row[index] for index in key])

    return read


def _single_key(index: int) -> KeyOf:
    def read(row: Row) -> Key:
        return row[index]

    return read


Section = list[TableChanges] | Truncation


def sections(changes: Iterable[Change], table_of: Callable[[Relation], SubscriberTable]) -> Iterator[Section]:
    """Cut a stretch at its truncations, and yield the net effect of each piece, table by table.

    Raises ``OutOfOrder`` where a piece has none.
    """
    tables: dict[Relation, TableChanges] = {}
    for change in changes:
        relation = change[1]
        if change[0] == TRUNCATE:
            yield list(tables.values())
            tables = {}
            yield change[3]
            continue
        found = tables.get(relation)
        if found is None:
            found = tables[relation] = TableChanges(table_of(relation))
        found.add(change)
    yield list(tables.values())
