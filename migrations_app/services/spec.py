"""A migration's rows as the engine's ``MigrationSpec``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from migrations_app.engine.events import Step
from migrations_app.engine.spec import (
    ApplyChoice,
    AtWarnings,
    DatabaseSpec,
    MigrationMode,
    MigrationOption,
    MigrationSpec,
    OnlineOptions,
    OnObjectError,
    Options,
    RolePolicy,
    Selection,
    Side,
    VerificationLevel,
    WithoutIdentity,
)
from migrations_app.models import Migration, MigrationDatabase, OnlinePhase, State, StepState
from migrations_app.services.endpoints import endpoint_from_row

NOT_VERIFIED = "not_verified"


def spec_for(migration: Migration) -> MigrationSpec:
    """Return everything the engine needs; databases that arrived already say so.

    Raises ``CredentialsUnreadable``, or ``ConnectionFailed`` for a host that this portal may not reach.
    """
    return MigrationSpec(
        id=str(migration.pk),
        name=migration.name,
        source=endpoint_from_row(migration.source, Side.SOURCE),
        target=endpoint_from_row(migration.target, Side.TARGET),
        databases=tuple(_database_spec(database) for database in migration.databases.all()),
        source_type=migration.source_type,
        option=MigrationOption(migration.option),
        mode=MigrationMode(migration.mode),
        options=_options(migration),
        online=online_options(migration),
        validated=is_validated(migration),
    )


def online_options(migration: Migration) -> OnlineOptions:
    """Return how the migration follows and cuts over, as chosen in its wizard."""
    return OnlineOptions(
        apply=ApplyChoice(migration.apply_engine),
        without_identity=WithoutIdentity(migration.without_identity),
        heartbeat=migration.heartbeat,
        source_as_seen_by_target=migration.source_as_seen_by_target,
        sequence_headroom=migration.sequence_headroom,
        cutover_seconds=migration.cutover_seconds,
        cutover_verification=VerificationLevel(migration.cutover_verification),
        fall_back=migration.fall_back,
        retained_wal_bytes=migration.retained_wal_bytes,
        lag_alarm_seconds=migration.lag_alarm_seconds,
        room_alarm_seconds=migration.room_alarm_seconds,
        protect_source=migration.protect_source,
        give_up_wal_bytes=migration.give_up_wal_bytes,
        warn_after_days=migration.warn_after_days,
        warn_cutover_days=migration.warn_cutover_days,
    )


def is_validated(migration: Migration) -> bool:
    """Tell whether an earlier run of this migration passed validation."""
    return bool(migration.step_times.get(Step.VALIDATE, {}).get("state") == StepState.DONE)


def selection_from_json(stored: Mapping[str, Any]) -> Selection:
    """Return the selection kept in ``MigrationDatabase.selection``; an empty mapping takes everything."""
    return Selection(
        include_schemas=tuple(stored.get("include_schemas", ())),
        exclude_schemas=tuple(stored.get("exclude_schemas", ())),
        include_tables=_tables(stored.get("include_tables", ())),
        exclude_tables=_tables(stored.get("exclude_tables", ())),
    )


def _tables(stored: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((schema, table) for schema, table in stored)


def _database_spec(row: MigrationDatabase) -> DatabaseSpec:
    return DatabaseSpec(
        id=str(row.pk),
        source_name=row.source_name,
        target_name=row.target_name,
        overwrite=row.overwrite,
        selection=selection_from_json(row.selection),
        finished=_finished(row),
    )


def _finished(row: MigrationDatabase) -> str:
    """How the database ended; one that is in use on the target, or went back to the source, is never copied again."""
    if row.phase == OnlinePhase.GONE_BACK:
        return NOT_VERIFIED
    return (row.verified or NOT_VERIFIED) if row.state == State.SUCCEEDED else ""


def _options(migration: Migration) -> Options:
    return Options(
        jobs=migration.jobs,
        split_bytes=migration.split_bytes,
        roles=RolePolicy(migration.roles),
        verification=VerificationLevel(migration.verification),
        on_object_error=OnObjectError(migration.on_object_error),
        target_free_bytes=migration.target_free_bytes,
        at_warnings=AtWarnings(migration.at_warnings),
    )
