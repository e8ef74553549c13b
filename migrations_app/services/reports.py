"""The report of a migration: what was done, by whom, and the proof that it arrived. Its shape is described here.

``report_for(migration)`` returns a dict that JSON can hold; times are ISO 8601 in UTC, sizes bytes, durations seconds:

- ``format``, ``format_version``: names this shape; fields may be added within a version, never changed or removed
- ``generated_at``, ``portal_version``
- ``migration``: id, name, option, mode, source_type, state, substate, error, error_hint, error_server_message,
  created_by, created_at, started_by, started_from, started_at, ended_at, elapsed_seconds
- ``source``, ``target``: host, port, username, sslmode, maintenance_database, facts of the connection test
- ``settings``: jobs, split_bytes, roles, verification, on_object_error, at_warnings
- ``steps``: step, label, state, started_at, ended_at, elapsed_seconds
- ``totals``: databases, tables, indexes, rows, bytes
- ``verification``: level, method, snapshot, result (identical, different, could_not_verify, not_verified), counts
- ``databases``: for each: names, state, verified, sizes, times, error, on_target, selection, ``objects`` (every
  comparison: object_class, name, result, source, target, detail, verified_at)
- ``findings``: database, level, code, subject, side, saw, why, fix, fix_sql, script_use, script_database, statement,
  server_message, phase, found_at, accepted_at, accepted_by, accepted_reason
- ``events``: at, kind, level, message, database, actor, address, from_state, to_state
- ``online``: None for an offline migration, else settings, ``replications``, ``cutovers`` with their steps, and
  ``requests`` of people
- ``azure``: the same migration in the shape of ``az postgres flexible-server migration show``
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.utils import timezone

from migrations_app.engine.events import CheckResult
from migrations_app.engine.spec import MigrationMode, VerificationLevel
from migrations_app.models import (
    EventKind,
    Migration,
    MigrationDatabase,
    MigrationEndpoint,
    MigrationEvent,
    MigrationFinding,
    State,
    VerificationResult,
)
from migrations_app.selectors.findings import findings_of
from migrations_app.selectors.migration_page import elapsed_seconds
from migrations_app.selectors.rail import RailStep, rail_of
from migrations_app.selectors.totals import totals_of
from migrations_app.selectors.verification import URGENCY
from migrations_app.services.azure_status import azure_status_for
from migrations_app.services.online_report import online_report

FORMAT = "postgresql-migration-portal/report"
FORMAT_VERSION = 1
NOT_VERIFIED = "not_verified"
METHODS = {
    VerificationLevel.FULL: (
        "Every table: row count and an order-independent hash over all values of all rows, computed on both servers. "
        "Sequences: their next value. Large objects: number and content. Every other object: its definition, owner, "
        "privileges and comment, read from both catalogs."
    ),
    VerificationLevel.COUNTS: "Every table: row count on both servers. Every other object: its definition.",
    VerificationLevel.NONE: "Nothing was compared: verification was switched off for this migration.",
}
SNAPSHOT_WORDS = (
    "The source was read at the one consistent snapshot with which the data was copied; the target after the copy."
)


SNAPSHOT_WORDS_ONLINE = (
    "Source and target were compared at the cutover, behind its fence: nobody else could write to the source meanwhile."
)


def report_for(migration: Migration) -> dict[str, Any]:
    """Return the report of a migration in its present state (eight queries, however large; four more if online)."""
    databases = list(migration.databases.all())
    objects = _objects_by_database(migration)
    findings = list(findings_of(migration.pk))
    events = list(migration.events.select_related("actor", "database").order_by("id"))
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "generated_at": _time(timezone.now()),
        "portal_version": portal_version(),
        "migration": _migration(migration, events=events),
        "source": _endpoint(migration.source),
        "target": _endpoint(migration.target),
        "settings": _settings(migration),
        "steps": [_step(step) for step in rail_of(migration, databases)],
        "totals": asdict(totals_of(databases)),
        "verification": _verification(migration, databases=databases, objects=objects),
        "databases": [_database(row, objects=objects.get(row.pk, [])) for row in databases],
        "findings": [finding_as_dict(row) for row in findings],
        "events": [_event(row) for row in events],
        "online": online_report(migration),
        "azure": azure_status_for(migration, databases=databases, findings=findings),
    }


def portal_version() -> str:
    """Return the version of this portal, or ``development`` where it runs from a checkout."""
    try:
        return version("postgresql-migration-portal")
    except PackageNotFoundError:
        return "development"


def overall_result(databases: Iterable[MigrationDatabase], counts: dict[str, int]) -> str:
    """Return the worst of all results: a difference anywhere is a difference, an open question is never identical."""
    results = {row.verified for row in databases} | {result for result, count in counts.items() if count}
    if CheckResult.DIFFERENT in results:
        return CheckResult.DIFFERENT.value
    if CheckResult.COULD_NOT_VERIFY in results:
        return CheckResult.COULD_NOT_VERIFY.value
    proved = [row.verified == CheckResult.IDENTICAL for row in databases]
    return CheckResult.IDENTICAL.value if proved and all(proved) else NOT_VERIFIED


def _migration(migration: Migration, *, events: Sequence[MigrationEvent]) -> dict[str, Any]:
    start = started_by(events)
    return {
        "id": str(migration.pk),
        "name": migration.name,
        "option": migration.option,
        "mode": migration.mode,
        "source_type": migration.source_type,
        "state": migration.state,
        "substate": migration.substate,
        "error": migration.error,
        "error_hint": migration.error_hint,
        "error_server_message": migration.error_server_message,
        "created_by": migration.created_by.get_username() if migration.created_by else None,
        "created_at": _time(migration.created_at),
        "started_by": start.actor.get_username() if start and start.actor else None,
        "started_from": start.address if start else None,
        "started_at": _time(migration.started_at),
        "ended_at": _time(migration.ended_at),
        "elapsed_seconds": elapsed_seconds(migration),
    }


def started_by(events: Iterable[MigrationEvent]) -> MigrationEvent | None:
    """Return the event with which a person first started the migration; ``events`` are in the order of time."""
    return next((event for event in events if event.to_state == State.QUEUED), None)


def _endpoint(endpoint: MigrationEndpoint) -> dict[str, Any]:
    return {
        "host": endpoint.host,
        "port": endpoint.port,
        "username": endpoint.username,
        "sslmode": endpoint.sslmode,
        "maintenance_database": endpoint.maintenance_database,
        "facts": endpoint.facts,
    }


def _settings(migration: Migration) -> dict[str, Any]:
    return {
        "jobs": migration.jobs,
        "split_bytes": migration.split_bytes,
        "roles": migration.roles,
        "verification": migration.verification,
        "on_object_error": migration.on_object_error,
        "at_warnings": migration.at_warnings,
    }


def _step(step: RailStep) -> dict[str, Any]:
    return {
        "step": step.step.value,
        "label": step.label,
        "state": "stopped" if step.stopped else step.state.value,
        "started_at": _time(step.started_at),
        "ended_at": _time(step.ended_at),
        "elapsed_seconds": step.elapsed_seconds,
    }


def _verification(
    migration: Migration,
    *,
    databases: Sequence[MigrationDatabase],
    objects: dict[Any, list[VerificationResult]],
) -> dict[str, Any]:
    counts = {result.value: 0 for result in URGENCY}
    for row in (row for rows in objects.values() for row in rows):
        counts[row.result] = counts.get(row.result, 0) + 1
    is_online = migration.mode == MigrationMode.ONLINE
    level = VerificationLevel(migration.cutover_verification if is_online else migration.verification)
    words = SNAPSHOT_WORDS_ONLINE if is_online else SNAPSHOT_WORDS
    return {
        "level": level.value,
        "method": METHODS[level],
        "snapshot": words if level is not VerificationLevel.NONE else "",
        "result": overall_result(databases, counts),
        "counts": counts,
    }


def _database(database: MigrationDatabase, *, objects: Sequence[VerificationResult]) -> dict[str, Any]:
    return {
        "source_name": database.source_name,
        "target_name": database.target_name,
        "overwrite": database.overwrite,
        "selection": database.selection,
        "facts": database.facts,
        "state": database.state,
        "verified": database.verified or NOT_VERIFIED,
        "bytes": database.bytes_done,
        "rows": database.rows_done,
        "tables": database.tables_done,
        "tables_total": database.tables_total,
        "indexes": database.indexes_done,
        "indexes_total": database.indexes_total,
        "step_times": database.step_times,
        "started_at": _time(database.started_at),
        "ended_at": _time(database.ended_at),
        "elapsed_seconds": _elapsed(database),
        "error": database.error,
        "error_hint": database.error_hint,
        "error_server_message": database.error_server_message,
        "on_target": database.on_target,
        "objects": [_object(row) for row in objects],
    }


def _object(row: VerificationResult) -> dict[str, Any]:
    return {
        "object_class": row.object_class,
        "name": row.name,
        "result": row.result,
        "source": row.source,
        "target": row.target,
        "detail": row.detail,
        "verified_at": _time(row.verified_at),
    }


def finding_as_dict(row: MigrationFinding) -> dict[str, Any]:
    """Return a finding with its acceptance, as the report and the command line write it."""
    texts = (
        *("level", "code", "subject", "side", "saw", "why", "fix", "fix_sql", "script_use", "script_database"),
        *("statement", "server_message", "phase"),
    )
    database = row.database.source_name if row.database else None
    accepted_by = row.accepted_by.get_username() if row.accepted_by else row.accepted_from or None
    return {
        "database": database,
        **{name: getattr(row, name) for name in texts},
        "found_at": _time(row.found_at),
        "accepted_at": _time(row.accepted_at),
        "accepted_by": accepted_by,
        "accepted_reason": row.accepted_reason,
    }


def _event(row: MigrationEvent) -> dict[str, Any]:
    return {
        "at": _time(row.at),
        "kind": EventKind(row.kind).value,
        "level": row.level,
        "message": row.message,
        "database": row.database.source_name if row.database else None,
        "actor": row.actor.get_username() if row.actor else None,
        "address": row.address,
        "from_state": row.from_state,
        "to_state": row.to_state,
    }


def _objects_by_database(migration: Migration) -> dict[Any, list[VerificationResult]]:
    """Results of each database, differences first, then by class and name."""
    rank = {result.value: number for number, result in enumerate(URGENCY)}
    found: dict[Any, list[VerificationResult]] = {}
    rows = VerificationResult.objects.filter(database__migration=migration).order_by("object_class", "name")
    for row in sorted(rows, key=lambda row: rank.get(row.result, 0)):
        found.setdefault(row.database_id, []).append(row)
    return found


def _elapsed(database: MigrationDatabase) -> float | None:
    if database.started_at is None or database.ended_at is None:
        return None
    return (database.ended_at - database.started_at).total_seconds()


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else None
