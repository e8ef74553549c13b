"""What a later run must know of a followed database: kept in the target database, with the copy it belongs to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.plan import FollowedTable, Identity, ReplicationPlan, Treatment
from migrations_app.engine.replication.stream_gaps import PublicationMark

KIND, KEY = "replication", "now"


@dataclass(frozen=True)
class FollowNote:
    """How a database is followed. ``begins_at_lsn`` is where the slot begins; the copy shows what was before.

    ``source_identity`` is the system identifier and time line of the source, ``published`` the publications as they
    were made, ``defined`` the columns of their tables. ``apply_began`` tells that the apply engine was started once;
    ``is_paused`` that a person let it rest. ``losses`` names objects that could not be restored. ``back`` is who brings
    changes back after the cutover, None as long as it is not chosen; ``back_began`` that it was started once.
    """

    engine: ApplyKind
    reason: str
    begins_at_lsn: int
    plan: ReplicationPlan
    source_identity: str
    apply_began: bool = False
    is_paused: bool = False
    losses: tuple[str, ...] = ()
    published: tuple[PublicationMark, ...] = ()
    defined: tuple[PublicationMark, ...] = ()
    back: ApplyKind | None = None
    back_reason: str = ""
    back_began: bool = False


def read_note(job: DatabaseJob, connection: Connection) -> FollowNote | None:
    """Return the note, or None before the slot is made."""
    found = job.markers.read(connection, KIND).get(KEY)
    return None if found is None else _note(json.loads(found))


def look_up_note(job: DatabaseJob) -> FollowNote | None:
    """Return the note of a database that carries notes of ours."""
    with job.target.connected(job.database.target_name, purpose="notes", read_only=True) as connection:
        return read_note(job, connection) if job.markers.are_ours(connection) else None


def write_note(job: DatabaseJob, note: FollowNote) -> None:
    """Store the note durably in place of an older one. Raises ``LeaseLost`` when a newer run owns the migration."""
    with job.target.connected(job.database.target_name, purpose="notes", read_only=False) as connection:
        connection.execute("SET synchronous_commit = on")
        with connection.transaction():
            job.markers.hold_on(connection)
            job.markers.forget(connection, kind=KIND, keys=[KEY])
            job.markers.add(connection, kind=KIND, keys=[KEY], detail=json.dumps(asdict(note)))


def change_note(job: DatabaseJob, **changes: Any) -> None:
    """Change some of what is noted."""
    note = look_up_note(job)
    if note is not None:
        write_note(job, replace(note, **changes))


def _note(found: dict[str, Any]) -> FollowNote:
    plan = found["plan"]
    tables = tuple(_table(table) for table in plan["tables"])
    return FollowNote(
        **{
            **found,
            "engine": ApplyKind(found["engine"]),
            "losses": tuple(found["losses"]),
            "plan": ReplicationPlan(
                plan["name"], tables, plan["with_heartbeat"], tuple((s, n) for s, n in plan.get("again", ()))
            ),
            "published": tuple(PublicationMark(**mark) for mark in found.get("published", ())),
            "defined": tuple(PublicationMark(**mark) for mark in found.get("defined", ())),
            "back": ApplyKind(found["back"]) if found.get("back") else None,
        }
    )


def _table(found: dict[str, Any]) -> FollowedTable:
    return FollowedTable(
        **{
            **found,
            "columns": tuple(found["columns"]),
            "key_columns": tuple(found["key_columns"]),
            "identity": Identity(found["identity"]),
            "treatment": Treatment(found["treatment"]),
        }
    )
