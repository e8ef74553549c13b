"""The online part of a report: how changes were followed, each cutover with its time line, and who asked for what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.spec import MigrationMode
from migrations_app.models import CutoverAttempt, CutoverStepTime, Migration, Replication, ReplicationRequest

SETTINGS = (
    "apply_engine",
    "without_identity",
    "heartbeat",
    "source_as_seen_by_target",
    "sequence_headroom",
    "cutover_seconds",
    "cutover_verification",
    "fall_back",
    "retained_wal_bytes",
    "lag_alarm_seconds",
    "room_alarm_seconds",
    "protect_source",
    "give_up_wal_bytes",
    "warn_after_days",
    "warn_cutover_days",
)
NUMBERS = ("lag_bytes", "lag_seconds", "inserts", "updates", "deletes", "truncates", "transactions")


def online_report(migration: Migration) -> dict[str, Any] | None:
    """Return settings, replications, cutovers and requests; None for an offline migration (four queries)."""
    if migration.mode != MigrationMode.ONLINE:
        return None
    replications = Replication.objects.filter(database__migration=migration).select_related("database")
    attempts = CutoverAttempt.objects.filter(database__migration=migration).select_related("database")
    requests = ReplicationRequest.objects.filter(database__migration=migration)
    return {
        "settings": {name: getattr(migration, name) for name in SETTINGS},
        "replications": [_replication(row) for row in replications],
        "cutovers": [_attempt(row) for row in attempts.prefetch_related("steps")],
        "requests": [_request(row) for row in requests.select_related("database", "asked_by")],
    }


def _replication(row: Replication) -> dict[str, Any]:
    return {
        "database": row.database.source_name,
        "direction": row.direction,
        "engine": row.engine,
        "reason": row.reason,
        "slot": row.slot,
        "tables": row.tables,
        "begins_at": lsn_text(row.begins_at_lsn),
        "applied_to": lsn_text(row.applied_lsn),
        "state": row.state,
        **{name: getattr(row, name) for name in NUMBERS},
        "error": row.error,
        "error_hint": row.error_hint,
        "error_server_message": row.error_server_message,
        "started_at": _time(row.started_at),
        "caught_up_at": _time(row.caught_up_at),
        "ended_at": _time(row.ended_at),
    }


def _attempt(row: CutoverAttempt) -> dict[str, Any]:
    return {
        "database": row.database.source_name,
        "direction": row.direction,
        "is_rehearsal": row.is_rehearsal,
        "result": row.result or "running",
        "downtime_seconds": row.downtime_seconds,
        "fence_lsn": lsn_text(row.fence_lsn) if row.fence_lsn else None,
        "message": row.message,
        "hint": row.hint,
        "server_message": row.server_message,
        "began_at": _time(row.began_at),
        "ended_at": _time(row.ended_at),
        "steps": [_step(step) for step in row.steps.all()],
    }


def _step(row: CutoverStepTime) -> dict[str, Any]:
    return {
        "step": row.step,
        "label": str(row.get_step_display()),
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at),
        "elapsed_seconds": row.seconds,
        "detail": row.detail,
    }


def _request(row: ReplicationRequest) -> dict[str, Any]:
    return {
        "database": row.database.source_name,
        "kind": row.kind,
        "verification": row.verification,
        "asked_by": row.asked_by.get_username() if row.asked_by else row.asked_from or None,
        "address": row.address,
        "asked_at": _time(row.asked_at),
        "ended_at": _time(row.ended_at),
        "succeeded": row.succeeded,
        "message": row.message,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else None
