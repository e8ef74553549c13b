"""A migration in the shape of ``az postgres flexible-server migration show`` (facts from Microsoft's REST examples).

Scripts that read ``properties.currentStatus`` keep working. Counters of online replication are zero for an offline one,
and where the server does not count; ``latency`` is in whole seconds. Changes are counted as they are applied, so that
``incomingChanges`` is never more than ``appliedChanges``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from migrations_app.engine.events import Direction, Step
from migrations_app.engine.findings import Level
from migrations_app.engine.spec import MigrationMode, MigrationOption, RolePolicy
from migrations_app.engine.validation import DATABASE_RULES, SERVER_RULES
from migrations_app.engine.validation.rule import Rule
from migrations_app.models import (
    Migration,
    MigrationDatabase,
    MigrationFinding,
    OnlinePhase,
    PartState,
    Replication,
    SourceType,
    State,
    TableCopy,
)
from migrations_app.models.states import BEYOND_MICROSOFT
from migrations_app.selectors.rail import rail_of

SSL_MODES = {
    "disable": "Prefer",
    "allow": "Prefer",
    "prefer": "Prefer",
    "require": "Require",
    "verify-ca": "VerifyCA",
    "verify-full": "VerifyFull",
}
STATES = {State.DRAFT: "WaitingForUserAction", State.QUEUED: "InProgress", State.PAUSED: "WaitingForUserAction"}
LEVELS = {Level.FAILED: "Failed", Level.UNKNOWN: "Warning", Level.WARNING: "Warning", Level.INFO: "Succeeded"}
VALIDATION_PHASES = ("", "validation", "validate")
SERVER_CHECKS = ("AuthenticationAndConnectivityValidation", "SourceVersionValidation", "ServerParametersValidation")
DATABASE_CHECKS = ("SchemaValidation", "ExtensionsValidation", "CollationsValidation")
# Microsoft's type for each family of rules; what is in none of them is about logging in, or about the schema.
CHECK_OF_FAMILY = {
    "versions": "SourceVersionValidation",
    "settings": "ServerParametersValidation",
    "room": "ServerParametersValidation",
    "extensions": "ExtensionsValidation",
    "locales": "CollationsValidation",
}


def azure_status_for(
    migration: Migration, *, databases: Sequence[MigrationDatabase], findings: Sequence[MigrationFinding]
) -> dict[str, Any]:
    """Return the resource as Microsoft's API shows it (one query; two if online)."""
    return {
        "id": str(migration.pk),
        "name": migration.name,
        "type": "Microsoft.DBforPostgreSQL/flexibleServers/migrations",
        "properties": {
            "migrationId": str(migration.pk),
            "migrationMode": migration.mode,
            "migrationOption": migration.option,
            "sourceType": _source_type(migration),
            "sslMode": SSL_MODES.get(migration.source.sslmode, "Prefer"),
            "sourceDbServerResourceId": f"{migration.source.host}:{migration.source.port}@{migration.source.username}",
            "sourceDbServerFullyQualifiedDomainName": migration.source.host,
            "targetDbServerFullyQualifiedDomainName": migration.target.host,
            "sourceDbServerMetadata": {"version": _version(migration.source.facts)},
            "targetDbServerMetadata": {"version": _version(migration.target.facts)},
            "dbsToMigrate": [database.source_name for database in databases],
            "overwriteDbsInTarget": _flag(any(database.overwrite for database in databases)),
            "migrateRoles": _flag(migration.roles != RolePolicy.SKIP),
            "setupLogicalReplicationOnSourceDbIfNeeded": "False",
            "triggerCutover": _flag(any(row.phase == OnlinePhase.CUTTING_OVER for row in databases)),
            "migrationWindowStartTimeInUtc": _time(migration.scheduled_at or migration.started_at),
            "currentStatus": _current_status(migration, databases=databases, findings=findings),
        },
    }


def _current_status(
    migration: Migration, *, databases: Sequence[MigrationDatabase], findings: Sequence[MigrationFinding]
) -> dict[str, Any]:
    tables, followed = _table_counts(migration.pk), _followed(migration)
    return {
        "state": STATES.get(State(migration.state), migration.state),
        "error": migration.error,
        "currentSubStateDetails": {
            "currentSubState": migration.substate or "PerformingPreRequisiteSteps",
            "dbDetails": {
                row.source_name: _database(row, tables=tables.get(row.pk, {}), followed=followed.get(row.pk))
                for row in databases
            },
        },
        "validationDetails": _validation(migration, databases=databases, findings=findings),
    }


def _followed(migration: Migration) -> dict[UUID, Replication]:
    if migration.mode != MigrationMode.ONLINE:
        return {}
    rows = Replication.objects.filter(database__migration=migration, direction=Direction.FORWARD.value)
    return {row.database_id: row for row in rows}


def _database(database: MigrationDatabase, *, tables: dict[str, int], followed: Replication | None) -> dict[str, Any]:
    changes = (followed and followed.changes) or 0
    return {
        "databaseName": database.source_name,
        "migrationState": STATES.get(State(database.state), database.state),
        "startedOn": _time(database.started_at),
        "endedOn": _time(database.ended_at),
        "fullLoadQueuedTables": tables.get("queued", 0),
        "fullLoadLoadingTables": tables.get("loading", 0),
        "fullLoadCompletedTables": tables.get("completed", 0),
        "fullLoadErroredTables": tables.get("errored", 0),
        "cdcInsertCounter": (followed and followed.inserts) or 0,
        "cdcUpdateCounter": (followed and followed.updates) or 0,
        "cdcDeleteCounter": (followed and followed.deletes) or 0,
        "incomingChanges": changes,
        "appliedChanges": changes,
        "latency": round((followed and followed.lag_seconds) or 0),
        "message": database.error or (followed and followed.error) or None,
    }


def _table_counts(migration_id: UUID) -> dict[UUID, dict[str, int]]:
    rows = (
        TableCopy.objects.filter(database__migration_id=migration_id)
        .values("database_id")
        .annotate(
            queued=Count("pk", filter=Q(state=PartState.TODO)),
            loading=Count("pk", filter=Q(state=PartState.RUNNING)),
            completed=Count("pk", filter=Q(state=PartState.DONE)),
            errored=Count("pk", filter=Q(state=PartState.FAILED)),
        )
    )
    found: list[dict[str, Any]] = [dict(row) for row in rows]
    return {row.pop("database_id"): row for row in found}


def _validation(
    migration: Migration, *, databases: Sequence[MigrationDatabase], findings: Sequence[MigrationFinding]
) -> dict[str, Any] | None:
    if migration.option == MigrationOption.MIGRATE:
        return None
    step = next(step for step in rail_of(migration, databases) if step.step == Step.VALIDATE)
    checked = [finding for finding in findings if finding.phase in VALIDATION_PHASES]
    if step.started_at is None and not checked:
        return None  # nothing has been validated, so nothing has succeeded
    by_place: dict[UUID | None, list[MigrationFinding]] = defaultdict(list)
    for finding in checked:
        by_place[finding.database_id].append(finding)
    return {
        "status": _worst(checked),
        "validationStartTimeInUtc": _time(step.started_at),
        "validationEndTimeInUtc": _time(step.ended_at),
        "serverLevelValidationDetails": _items(by_place.get(None, ()), SERVER_CHECKS),
        "dbLevelValidationDetails": [
            {
                "databaseName": database.source_name,
                "startedOn": _time(step.started_at),
                "endedOn": _time(step.ended_at),
                "summary": _items(by_place.get(database.pk, ()), DATABASE_CHECKS),
            }
            for database in databases
        ],
    }


def _items(findings: Sequence[MigrationFinding], checks: tuple[str, ...]) -> list[dict[str, Any]]:
    """One item for each of Microsoft's checks; a finding of ours that it has no check for belongs to the first."""
    by_check: dict[str, list[MigrationFinding]] = {check: [] for check in checks}
    for row in findings:
        by_check[_check_of(row, checks)].append(row)
    items = []
    for check, own in by_check.items():
        messages = [{"state": LEVELS.get(Level(row.level), "Warning"), "message": _message(row)} for row in own]
        items.append({"type": check, "state": _worst(own), **({"messages": messages} if messages else {})})
    return items


def _check_of(finding: MigrationFinding, checks: tuple[str, ...]) -> str:
    """Return the check of ``checks`` that a finding belongs to, by the family of the rule that found it."""
    check = CHECK_OF_FAMILY.get(_families().get(finding.code, ""), checks[0])
    if check == "ExtensionsValidation" and check not in checks:
        return "ServerParametersValidation"  # an extension that the server does not allow or load
    return check if check in checks else checks[0]


@cache
def _families() -> dict[str, str]:
    """The module of the rule that finds each code."""
    rules: list[Rule[Any]] = [*SERVER_RULES, *DATABASE_RULES]
    return {code.number: rule.check.__module__.rpartition(".")[2] for rule in rules for code in rule.codes}


def _message(finding: MigrationFinding) -> str:
    accepted = f"Accepted: {finding.accepted_reason}" if finding.accepted_at else ""
    return " ".join(text for text in (f"{finding.code}:", finding.subject, finding.saw, finding.fix, accepted) if text)


def _worst(findings: Sequence[MigrationFinding]) -> str:
    states = {LEVELS.get(Level(finding.level), "Warning") for finding in findings}
    return next((state for state in ("Failed", "Warning") if state in states), "Succeeded")


def _source_type(migration: Migration) -> str:
    """Return the kind of source in Microsoft's words, which has none for some services."""
    return SourceType.ON_PREMISES.value if migration.source_type in BEYOND_MICROSOFT else migration.source_type


def _version(facts: dict[str, Any]) -> str | None:
    settings: dict[str, Any] = facts.get("settings") or {}
    return settings.get("version_text") or (str(facts["major"]) if facts.get("major") else None)


def _flag(value: bool) -> str:
    return "True" if value else "False"


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
