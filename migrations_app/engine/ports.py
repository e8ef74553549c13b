"""What the engine needs from whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from migrations_app.engine.events import Event
from migrations_app.engine.plan import ClaimedPart, TablePlan
from migrations_app.engine.spec import VerificationLevel


class Reporter(Protocol):
    """Takes events; called from several threads at once, must not block for long."""

    def report(self, event: Event) -> None:
        """Take one event."""


class PartQueue(Protocol):
    """The parts of one database, claimed by copy workers; called from several threads at once.

    A claimed part belongs to the run that holds the fence; a run that took over finds unfinished parts unclaimed.
    Methods raise ``LeaseLost`` when the caller's fence is no longer the newest.
    """

    def enqueue(self, tables: Sequence[TablePlan]) -> None:
        """Add tables and their parts; a table that is already there is left as it is."""

    def tables(self) -> Sequence[TablePlan]:
        """Return the tables enqueued before (by this run or one before it), with their parts; empty when none."""

    def claim(self) -> ClaimedPart | None:
        """Hand out the next part, the largest table first; None when no part is left to claim."""

    def complete(self, part_id: int, *, rows: int, bytes: int) -> None:
        """The part's rows are committed on the target."""

    def complete_empty(self, tables: Sequence[TablePlan]) -> None:
        """Mark every part of these tables complete with no rows, in one round trip."""

    def release(self, part_id: int, *, error: str) -> None:
        """Give a part back after a failure; it may be claimed again."""

    def restart(self, table: TablePlan) -> None:
        """All parts of the table must be copied again."""

    def table_is_complete(self, table: TablePlan) -> bool:
        """Tell whether every part of the table is complete."""

    def close_thread(self) -> None:
        """The calling thread will not use the queue again: let go of what it holds (a database connection)."""


class RequestKind(StrEnum):
    """What a person may ask of a database that is being followed."""

    REHEARSE = "rehearse"
    CUTOVER = "cutover"
    PAUSE = "pause"
    CONTINUE = "continue"
    MEND = "mend"
    GO_BACK = "go_back"
    FINISH = "finish"


@dataclass(frozen=True)
class PersonRequest:
    """One request. ``id`` is the portal's; ``verification`` is the level chosen for this cutover.

    ``subject`` names the difference to mend: that of its finding; ``may_drop``: what drops data was confirmed.
    ``reopen_source``: a finish opens the old source to writers again; else it stays closed.
    """

    id: str
    kind: RequestKind
    database_id: str
    verification: VerificationLevel = VerificationLevel.COUNTS
    subject: str = ""
    may_drop: bool = False
    reopen_source: bool = False


class Requests(Protocol):
    """What people asked for, oldest first; read by the engine about every second."""

    def pending(self, database_id: str) -> PersonRequest | None:
        """Return the oldest request for this database that has not ended."""

    def end(self, request: PersonRequest, *, succeeded: bool, message: str = "") -> None:
        """Store that a request was carried out, or why not; it must be stored when this returns."""
