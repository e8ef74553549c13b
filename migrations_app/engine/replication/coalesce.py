"""The net effect of a stretch of changes: what remains to be done to each row, whatever happened to it on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeVar

from migrations_app.engine.replication.pgoutput import (
    DELETE,
    INSERT,
    PARTIAL_UPDATE,
    TRUNCATE,
    UNCHANGED,
    Change,
    FlatChanges,
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

    deletes: dict[Key, Row] = field(default_factory=dict)
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

    def delete(self, key: Key, row: Row) -> None:
        """A row is gone, of which the key at least is known."""
        if key in self.inserts:
            del self.inserts[key]
            return
        if key in self.deletes:
            raise OutOfOrder
        self.updates.pop(key, None)
        self.deletes[key] = row


def _merged(before: Row, after: Row) -> Row:
    return tuple([old if new is UNCHANGED else new for old, new in zip(before, after, strict=True)])


class ImageChanges:
    """The net effect on rows without a key: rows of equal values are the same to us, however many there are.

    A pair is the row before (None for an insert) and the row after (None for a delete).
    """

    __slots__ = ("_by_result", "_pairs")

    def __init__(self) -> None:
        self._pairs: dict[int, list[Row | None]] = {}
        self._by_result: dict[Row, list[int]] = {}

    def add(self, before: Row | None, after: Row | None) -> None:
        """Take one change in; one that touches the result of an earlier one is merged with it."""
        pending = self._by_result.get(before) if before is not None else None
        if not pending:
            number = len(self._pairs)
            self._pairs[number] = [before, after]
        else:
            number = pending.pop()
            self._pairs[number][1] = after
        if after is not None:
            self._by_result.setdefault(after, []).append(number)

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

    changes: FlatChanges = field(default_factory=list)
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

    @property
    def add(self) -> Callable[[Change], None]:
        """Takes one change in; the call raises ``OutOfOrder``."""
        return self._add_keyed if self.table.matching is Matching.KEY else self._add_image

    def _add_image(self, change: Change) -> None:
        self._images.add(change[2], change[3])

    def _add_keyed(self, change: Change) -> None:
        kind, _, old, new = change
        segment = self._last
        if type(segment) is KeyedChanges:
            if old is None:
                if kind == INSERT:
                    segment.insert(self._key_of(new), new)
                else:
                    segment.update(self._key_of(new), new, partial=kind == PARTIAL_UPDATE)
                return
            if kind == DELETE:
                segment.delete(self._key_of(old), old)
                return
        self._add_anew(change)

    def _add_anew(self, change: Change) -> None:
        """Take in a change that may move a row to another key, or that follows such a change."""
        kind, _, old, new = change
        moved = old is not None and new is not None and self._key_of(new) != self._key_of(old)
        segment = self._last
        if type(segment) is OrderedChanges:
            segment.calm = 0 if moved else segment.calm + 1
            if segment.calm < CALM_CHANGES:
                segment.changes += change
                return
        if moved:
            self._open(OrderedChanges(list(change)))
            return
        if type(segment) is not KeyedChanges:
            self._open(KeyedChanges())
        # The key is that of the new row, so that the old one is not needed any more.
        self._add_keyed(change if kind == DELETE else (kind, change[1], None, new))


def key_reader(table: SubscriberTable) -> KeyOf:
    """Return a function from a row to the values of its key; of none where rows are not found by key."""
    return itemgetter(*table.key) if table.key else tuple


Section = list[TableChanges] | Truncation


def sections(changes: Iterable[Change], table_of: Callable[[Relation], SubscriberTable]) -> Iterator[Section]:
    """Cut a stretch at its truncations, and yield the net effect of each piece, table by table.

    Raises ``OutOfOrder`` where a piece has none.
    """
    tables: dict[Relation, TableChanges] = {}
    adders: dict[Relation, Callable[[Change], None]] = {}
    for change in changes:
        if change[0] == TRUNCATE:
            yield list(tables.values())
            tables, adders = {}, {}
            yield change[3]
            continue
        relation = change[1]
        add = adders.get(relation)
        if add is None:
            tables[relation] = found = TableChanges(table_of(relation))
            adders[relation] = add = found.add
        add(change)
    yield list(tables.values())
