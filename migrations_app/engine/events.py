"""What the engine tells while it works: frozen values, one class for each thing that happens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.replication.apply import ApplyKind, ApplyStatus
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep


class Step(StrEnum):
    """The steps of the rail on the migration page, in their order."""

    VALIDATE = "validate"
    ROLES = "roles"
    SCHEMA = "schema"
    COPY = "copy"
    INDEXES = "indexes"
    CONSTRAINTS = "constraints"
    CATCH_UP = "catch_up"
    CUTOVER = "cutover"
    VERIFY = "verify"


@dataclass(frozen=True)
class StepStarted:
    """A step began; ``database_id`` is empty for a step of the whole migration."""

    step: Step
    database_id: str = ""
    detail: str = ""


@dataclass(frozen=True)
class StepFinished:
    """A step ended well."""

    step: Step
    database_id: str = ""
    detail: str = ""


@dataclass(frozen=True)
class DatabaseStarted:
    """Work on a database began (or went on after an interruption)."""

    database_id: str


@dataclass(frozen=True)
class DatabaseFinished:
    """A database is complete on the target; ``verified`` is identical, different, could_not_verify or not_verified.

    ``losses`` names objects that could not be restored. The reporter must have stored this event when ``report``
    returns: what the engine does next makes the database impossible to recognize as unfinished.
    """

    database_id: str
    verified: str
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatabaseFailed:
    """A database could not be moved. ``on_target`` says in words what is on the target now."""

    database_id: str
    message: str
    hint: str = ""
    server_message: str = ""
    on_target: str = ""


@dataclass(frozen=True)
class PartProgress:
    """Live progress of a part: rows and bytes so far, from pg_stat_progress_copy."""

    part_id: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class IndexesPlanned:
    """How many indexes and index-backed constraints each table has to build: ``(schema, table, count)``."""

    database_id: str
    counts: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class IndexStarted:
    """An index or constraint of a table began to build."""

    database_id: str
    schema: str
    table: str
    index: str


@dataclass(frozen=True)
class IndexProgress:
    """``fraction`` (0 to 1) of an index build, from pg_stat_progress_create_index."""

    database_id: str
    schema: str
    table: str
    index: str
    fraction: float
    phase: str


@dataclass(frozen=True)
class IndexFinished:
    """An index or constraint of a table is complete."""

    database_id: str
    schema: str
    table: str
    index: str


@dataclass(frozen=True)
class FindingRaised:
    """A finding was made."""

    finding: Finding


@dataclass(frozen=True)
class FindingsSettled:
    """What was found with this code while a database is followed is over, but for the subjects of ``still``."""

    database_id: str
    code: str
    still: frozenset[str]


@dataclass(frozen=True)
class ValidationEnded:
    """Every rule that was asked for was tried; what it found has been reported before.

    ``codes`` are those of the rules that were tried, empty where a server could not be looked at. ``is_full`` tells
    that no rule was left out by choice: then what was not found again is gone, else only what has one of the codes.
    """

    codes: frozenset[str]
    is_full: bool = True


@dataclass(frozen=True)
class Note:
    """A line for the event log."""

    message: str
    database_id: str = ""
    level: Level = Level.INFO


class CheckResult(StrEnum):
    """Three states, never two."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    COULD_NOT_VERIFY = "could_not_verify"


@dataclass(frozen=True)
class ObjectVerified:
    """One comparison of source and target.

    ``object_class`` is ``table``, ``sequence``, ``large objects``, ``index``, ``function`` … ; ``source`` and
    ``target`` are what was compared, in words (``1,204 rows, hash 88f2…``); ``detail`` explains a difference,
    with row keys if known.
    """

    database_id: str
    object_class: str
    name: str
    result: CheckResult
    source: str = ""
    target: str = ""
    detail: str = ""


class Direction(StrEnum):
    """Which way changes travel: to the target before the cutover, back to the old source after it."""

    FORWARD = "forward"
    REVERSE = "reverse"


@dataclass(frozen=True)
class ReplicationStarted:
    """Changes of a database are kept in a slot from ``begins_at_lsn`` on. ``reason``: why this engine."""

    database_id: str
    direction: Direction
    engine: ApplyKind
    reason: str
    slot: str
    tables: int
    begins_at_lsn: int


@dataclass(frozen=True)
class ReplicationSampled:
    """How far the changes are, about every two seconds. Bytes and LSNs are of the publishing server.

    ``lag_seconds`` is the age of the newest heartbeat on the subscribing server, None without a heartbeat.
    ``retained_wal_bytes`` and ``wal_status`` (reserved, extended, unreserved, lost) are those of the slot.
    ``room_bytes`` of log fit there until ``room_limit`` (a ``RoomLimit``) is reached, None where that is not known;
    ``full_in_seconds`` at the pace of now, None where the room does not fill. ``open_bytes`` of log were written since
    the oldest transaction began that was not over at the place that is confirmed.
    """

    database_id: str
    direction: Direction
    status: ApplyStatus
    source_lsn: int
    lag_bytes: int
    lag_seconds: float | None
    retained_wal_bytes: int | None
    wal_status: str
    room_bytes: int | None = None
    room_limit: str = ""
    full_in_seconds: float | None = None
    open_bytes: int | None = None


@dataclass(frozen=True)
class OldSourceVisited:
    """Sessions of one role, address and application are in the old source after the cutover; told at every look.

    Empty texts: hidden from our user, or a local connection. ``new_sessions`` were not there at the look before;
    ``is_writing``: one of them has written in a transaction that is open.
    """

    database_id: str
    role: str
    address: str
    application: str
    new_sessions: int
    is_superuser: bool
    is_writing: bool


@dataclass(frozen=True)
class CaughtUp:
    """A database waits for its cutover: what changes is on the target within moments."""

    database_id: str


@dataclass(frozen=True)
class CutoverBegan:
    """A cutover or a rehearsal began."""

    database_id: str
    direction: Direction
    is_rehearsal: bool


@dataclass(frozen=True)
class CutoverStepStarted:
    """A step of the cutover began."""

    database_id: str
    step: CutoverStep


@dataclass(frozen=True)
class CutoverStepFinished:
    """A step of the cutover ended well; ``detail`` says what was done, in words."""

    database_id: str
    step: CutoverStep
    detail: str = ""


@dataclass(frozen=True)
class CutoverEnded:
    """How it ended. ``downtime_seconds`` runs from the fence to the opening; of a rehearsal it is what to expect.

    The reporter must have stored this event when ``report`` returns.
    """

    database_id: str
    result: CutoverResult
    downtime_seconds: float
    fence_lsn: int
    message: str = ""
    hint: str = ""
    server_message: str = ""


Event = (
    StepStarted
    | StepFinished
    | DatabaseStarted
    | DatabaseFinished
    | DatabaseFailed
    | PartProgress
    | IndexesPlanned
    | IndexStarted
    | IndexProgress
    | IndexFinished
    | FindingRaised
    | FindingsSettled
    | ValidationEnded
    | Note
    | ObjectVerified
    | ReplicationStarted
    | ReplicationSampled
    | OldSourceVisited
    | CaughtUp
    | CutoverBegan
    | CutoverStepStarted
    | CutoverStepFinished
    | CutoverEnded
)
