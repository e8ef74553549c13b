"""What a cutover must remember if the portal dies: kept in the target database, committed before it is acted on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from migrations_app.engine.events import Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.replication.database_access import DatabaseAccess, Grant
from migrations_app.engine.replication.phases import Phase, note_phase

KIND = "cutover"
FENCE, OPENED, TOLD = "fence", "opened", "told"  # one of each for each direction


@dataclass(frozen=True)
class FenceNote:
    """A fence that may be closed; ``access`` is what was there before."""

    closed_at: str
    access: DatabaseAccess


@dataclass(frozen=True)
class OpenedNote:
    """The point of no return was passed: the database that was entered is open."""

    downtime_seconds: float
    fence_lsn: int
    verified: str
    hint: str


@dataclass(frozen=True)
class CutoverNotes:
    """The notes of one database; ``job`` is the migration's own, never a reversed one."""

    job: DatabaseJob

    def write_fence(self, direction: Direction, note: FenceNote) -> None:
        """Remember what was there, before anything is changed."""
        self.write(f"{FENCE} {direction}", asdict(note), phase=Phase.FENCED)

    def read_fence(self, direction: Direction) -> FenceNote | None:
        """Return what was noted of the fence of one direction, if it was not reopened."""
        found = self.read(f"{FENCE} {direction}")
        return None if found is None else _fence(found)

    def forget_fence(self, direction: Direction, *, phase: Phase | None = None) -> None:
        """The database is as it was before; ``phase`` is the one in which the move is now."""
        self.write(f"{FENCE} {direction}", None, phase=phase)

    def write_opened(self, direction: Direction, note: OpenedNote) -> None:
        """Pass the point of no return."""
        phase = Phase.CUT_OVER if direction is Direction.FORWARD else Phase.DONE
        self.write(f"{OPENED} {direction}", asdict(note), phase=phase)

    def read_opened(self, direction: Direction) -> OpenedNote | None:
        """Return how the cutover in one direction opened its database, else None."""
        found = self.read(f"{OPENED} {direction}")
        return None if found is None else OpenedNote(**found)

    def write_told(self, direction: Direction) -> None:
        """The end of the cutover was reported and stored."""
        self.write(f"{TOLD} {direction}", {})

    def was_told(self, direction: Direction) -> bool:
        """Tell whether the end of the cutover in this direction was reported and stored."""
        return self.read(f"{TOLD} {direction}") is not None

    def interrupted(self) -> Direction | None:
        """Return the direction of a cutover that was begun and neither undone nor told to have ended; else None."""
        for direction in Direction:
            if self.read_opened(direction) is not None:
                if not self.was_told(direction):
                    return direction
            elif self.read_fence(direction) is not None:
                return direction
        return None

    def write(self, key: str, value: dict[str, Any] | None, *, phase: Phase | None = None) -> None:
        """Store one note in place of an older one, or none; it is on the target's disk when this returns."""
        with self.job.target.connected(self.job.database.target_name, purpose="notes", read_only=False) as target:
            target.execute("SET synchronous_commit = on")
            with target.transaction():
                self.job.markers.hold_on(target)
                self.job.markers.forget(target, kind=KIND, keys=[key])
                if value is not None:
                    self.job.markers.add(target, kind=KIND, keys=[key], detail=json.dumps(value))
                if phase is not None:
                    note_phase(self.job, target, phase)

    def read(self, key: str) -> dict[str, Any] | None:
        """Return one note, or None; None, too, where the database carries no notes of ours any more."""
        with self.job.target.connected(self.job.database.target_name, purpose="notes", read_only=True) as target:
            if not self.job.markers.are_ours(target):
                return None
            found = self.job.markers.read(target, KIND).get(key)
        return None if found is None else dict(json.loads(found))


def _fence(found: dict[str, Any]) -> FenceNote:
    access = found["access"]
    grants = tuple(Grant(**grant) for grant in access["grants"])
    return FenceNote(found["closed_at"], DatabaseAccess(**{**access, "grants": grants}))
