"""Transactions that the server streams before they are committed, kept in files until it says how they end.

https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html, Stream Start and following. In memory is
only where each subtransaction begins.
"""

from __future__ import annotations

import struct
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from migrations_app.engine.errors import PortalDiskFull
from migrations_app.engine.portal_disk import FULL
from migrations_app.engine.replication.pgoutput import Relation

BUFFER_BYTES = 256 * 1024
_RECORD = struct.Struct(">IB")


class _Spilled:
    """One transaction: its messages in a file, and the place in it at which each subtransaction begins."""

    def __init__(self, folder: Path | None) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=BUFFER_BYTES)  # noqa: SIM115
        self.described: dict[int, Relation] = {}
        self._size = 0
        self._known: set[int] = set()
        self._last = 0
        self._subtransactions = array("I")
        self._begins = array("Q")

    def write(self, subtransaction: int, kind: int, body: bytes) -> None:
        """Append a message."""
        if self._last != subtransaction:
            self._begin(subtransaction)
        self.file.write(_RECORD.pack(len(body), kind) + body)
        self._size += _RECORD.size + len(body)

    def _begin(self, subtransaction: int) -> None:
        """Note where a subtransaction begins, once: what is behind that place is its own, or its children's."""
        self._last = subtransaction
        if subtransaction not in self._known:
            self._known.add(subtransaction)
            self._subtransactions.append(subtransaction)
            self._begins.append(self._size)

    def abort(self, subtransaction: int) -> None:
        """Cut off what a subtransaction did, with all that came in it; of one that did nothing there is nothing."""
        if subtransaction not in self._known:
            return
        index = self._subtransactions.index(subtransaction)
        self._size = self._begins[index]
        self.file.seek(self._size)
        self.file.truncate()
        self._known.difference_update(self._subtransactions[index:])
        del self._subtransactions[index:], self._begins[index:]
        self._last = 0

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Yield the kinds and bodies of the messages."""
        self.file.seek(0)
        read = self.file.read
        while header := read(_RECORD.size):
            length, kind = _RECORD.unpack(header)
            yield kind, read(length)


class StreamedTransactions:
    """The transactions that are streamed now. ``active`` is the one to which the next messages belong, else 0.

    Raises ``PortalDiskFull``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._transactions: dict[int, _Spilled] = {}
        self.active = 0

    def start(self, xid: int) -> None:
        """The next messages belong to this transaction."""
        self.active = xid
        if xid not in self._transactions:
            self._transactions[xid] = _Spilled(self._folder)

    def stop(self) -> None:
        """The next messages belong to no streamed transaction."""
        self.active = 0

    def write(self, subtransaction: int, kind: int, body: bytes) -> None:
        """Keep a message of the active transaction."""
        try:
            self._transactions[self.active].write(subtransaction, kind, body)
        except OSError as error:
            raise _explained(error) from error

    def describe(self, relation: Relation) -> None:
        """Remember a table as the active transaction sees it, even if the part that told so is rolled back."""
        self._transactions[self.active].described[relation.oid] = relation

    def abort(self, xid: int, subtransaction: int) -> None:
        """Forget a transaction, or a part of it."""
        if xid not in self._transactions:
            return
        if xid == subtransaction:
            self.forget(xid)
        else:
            self._transactions[xid].abort(subtransaction)

    def described(self, xid: int) -> list[Relation]:
        """Return the tables as the transaction described them."""
        return list(self._transactions[xid].described.values()) if xid in self._transactions else []

    def messages(self, xid: int) -> Iterator[tuple[int, bytes]]:
        """Yield what a transaction holds, in its order."""
        if xid in self._transactions:
            yield from self._transactions[xid].messages()

    def forget(self, xid: int) -> None:
        """Delete what is kept of a transaction."""
        spilled = self._transactions.pop(xid, None)
        if spilled is not None:
            spilled.file.close()

    def close(self) -> None:
        """Delete everything: after a new start the server sends it again."""
        for xid in list(self._transactions):
            self.forget(xid)


def _explained(error: OSError) -> Exception:
    if error.errno not in FULL:
        return error
    return PortalDiskFull(
        "The portal's own disk is full: a large transaction of the source could not be kept until its end.",
        hint="Free space in the temporary directory of the portal's machine, then continue; nothing was lost.",
        server_message=str(error),
    )
