"""The interface of the two apply engines: a native subscription, and the portal's own consumer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ApplyKind(StrEnum):
    """Who carries the changes."""

    SERVER_TO_SERVER = "server_to_server"
    THROUGH_PORTAL = "through_portal"


class ApplyState(StrEnum):
    """What an apply engine does."""

    STARTING = "starting"
    APPLYING = "applying"
    PAUSED = "paused"
    RECONNECTING = "reconnecting"
    BROKEN = "broken"


@dataclass(frozen=True)
class ApplyStatus:
    """How far an apply engine is. Places in the log are of the publishing server, as bytes (``lsn.py``).

    ``applied_lsn``: everything up to it is committed on the subscribing server; it never moves otherwise.
    Counters are of rows since the apply began, None where the server does not tell. ``error`` is in words, with
    ``hint`` and the server's own ``server_message``. ``stopped_before_lsn``: everything before this place is applied,
    and what follows does not fit a table of the subscribing server, whose OID on the publisher is ``stopped_at_table``.
    """

    state: ApplyState
    received_lsn: int = 0
    applied_lsn: int = 0
    inserts: int | None = None
    updates: int | None = None
    deletes: int | None = None
    truncates: int | None = None
    transactions: int | None = None
    error: str = ""
    hint: str = ""
    server_message: str = ""
    stopped_before_lsn: int = 0
    stopped_at_table: int = 0


class ApplyEngine(Protocol):
    """Applies the changes of one slot to one database, exactly once, whoever dies when.

    All methods may be called again, by a later run too; methods but ``start`` may be called from another thread.
    """

    kind: ApplyKind

    def start(self) -> None:
        """Begin to apply, or go on; returns at once. Raises ``EngineError`` where that is refused."""

    def pause(self) -> None:
        """Stop after the transaction in hand; the slot keeps what follows."""

    def status(self) -> ApplyStatus:
        """Look how far it is; an error of the apply is part of the answer, one of the look is raised."""

    def stop(self) -> None:
        """Let go of what this process holds (threads, connections); a native subscription goes on by itself."""

    def remove(self) -> None:
        """Drop what was made on the subscribing server; what is gone already is no error. The slot is not touched."""
