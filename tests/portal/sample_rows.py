"""Rows of the portal's own database for pages: migrations in every state, as the services leave them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from migrations_app.engine.events import Step
from migrations_app.models import (
    EventKind,
    Migration,
    MigrationDatabase,
    MigrationEndpoint,
    MigrationEvent,
    MigrationFinding,
    PartState,
    SourceType,
    State,
    StepState,
    Substate,
    TableCopy,
    ThroughputSample,
    VerificationResult,
)

MIB, GIB = 1024**2, 1024**3
SECRET = "v1:test:sealed-password-that-no-page-shows"
NAMES = ("orders", "order_lines", "customers", "invoices", "payments", "shipments", "stock", "prices", "audit_log")


def endpoint(host: str) -> MigrationEndpoint:
    """A server that was tested."""
    facts = {"settings": {"version_text": "15.4"}, "provider_name": "PostgreSQL"}
    return MigrationEndpoint.objects.create(
        host=host, username="dbadmin", sealed_password=SECRET, tested_at=timezone.now(), facts=facts
    )


def migration(name: str, *, state: State = State.DRAFT, by: User | None = None, **fields: Any) -> Migration:
    """A migration without databases."""
    return Migration.objects.create(
        name=name,
        state=state,
        source=endpoint(fields.pop("source_host", f"{name}.abc123.eu-west-1.rds.amazonaws.com")),
        target=endpoint(fields.pop("target_host", "pg-target.postgres.database.azure.com")),
        source_type=fields.pop("source_type", SourceType.AWS_RDS),
        created_by=by,
        revision=fields.pop("revision", 1),
        **fields,
    )


def times(until: Step, *, start: datetime, state: StepState = StepState.RUNNING) -> dict[str, Any]:
    """Steps before ``until`` took 40 s each; ``until`` is in ``state``."""
    steps: dict[str, Any] = {}
    for number, step in enumerate(Step):
        begun, ended = start + timedelta(seconds=40 * number), start + timedelta(seconds=40 * number + 40)
        if step == until:
            end = None if state == StepState.RUNNING else ended.isoformat()
            return steps | {step.value: {"state": state.value, "started_at": begun.isoformat(), "ended_at": end}}
        steps[step.value] = {"state": "done", "started_at": begun.isoformat(), "ended_at": ended.isoformat()}
    return steps


def add_database(
    owner: Migration, name: str = "shop", *, tables: int = 12, done: int = 5, **fields: Any
) -> MigrationDatabase:
    """A database with tables, of which ``done`` are complete and the next one is running."""
    database = MigrationDatabase.objects.create(
        migration=owner,
        source_name=name,
        target_name=fields.pop("target_name", name),
        started_at=owner.started_at,
        tables_total=tables,
        tables_done=done,
        indexes_total=tables * 2,
        indexes_done=done * 2,
        **fields,
    )
    rows = [_table(database, number, done=done, running=owner.state == State.IN_PROGRESS) for number in range(tables)]
    TableCopy.objects.bulk_create(rows)
    database.bytes_total = sum(row.bytes_total for row in rows)
    database.bytes_done = sum(row.bytes_done for row in rows)
    database.rows_done = sum(row.rows_done for row in rows)
    database.save()
    return database


def _table(database: MigrationDatabase, number: int, *, done: int, running: bool) -> TableCopy:
    size = max(3 * GIB // (number + 1), 8192)
    state = PartState.DONE if number < done else PartState.RUNNING if number == done and running else PartState.TODO
    share = {PartState.DONE: 1.0, PartState.RUNNING: 0.4, PartState.TODO: 0.0}[state]
    name = NAMES[number % len(NAMES)] + (f"_{number // len(NAMES)}" if number >= len(NAMES) else "")
    return TableCopy(
        database=database,
        schema="sales" if number % 3 else "public",
        name=name,
        state=state,
        bytes_total=size,
        bytes_done=int(size * share),
        rows_estimate=size // 120,
        rows_done=int(size * share) // 120,
        parts_total=3 if size > GIB else 1,
        parts_done=1 if state == PartState.RUNNING else 0,
        indexes_total=2,
        indexes_done=2 if state == PartState.DONE else 0,
        started_at=timezone.now() - timedelta(seconds=60) if share else None,
        ended_at=timezone.now() if state == PartState.DONE else None,
    )


def add_samples(owner: Migration, *, seconds: int = 300, every: int = 5, rate: int = 110 * MIB) -> None:
    """Throughput that wavers; the newest sample is of now."""
    noise = random.Random(7)
    now, total, rows = timezone.now(), 0, []
    for age in range(seconds, -1, -every):
        total += int(rate * every * noise.uniform(0.5, 1.4))
        sample = ThroughputSample(migration=owner, bytes_done=total, rows_done=total // 120)
        rows.append((now - timedelta(seconds=age), sample))
    ThroughputSample.objects.bulk_create([sample for _, sample in rows])
    for at, sample in rows:
        sample.at = at
    ThroughputSample.objects.bulk_update([sample for _, sample in rows], ["at"], batch_size=500)


def add_event(owner: Migration, message: str, *, by: User | None = None, **fields: Any) -> MigrationEvent:
    """A line of the log."""
    kind = fields.pop("kind", EventKind.ACTION if by else EventKind.NOTE)
    address = "10.1.2.3" if by else None
    return MigrationEvent.objects.create(
        migration=owner, message=message, actor=by, address=address, kind=kind, **fields
    )


def running(name: str = "shop-to-azure", *, by: User | None = None, databases: int = 1) -> Migration:
    """It copies, since five minutes."""
    start = timezone.now() - timedelta(minutes=6)
    steps = times(Step.COPY, start=start)
    owner = migration(
        name,
        state=State.IN_PROGRESS,
        substate=Substate.MIGRATING_DATA,
        by=by,
        started_at=start,
        step_times=steps,
    )
    for number in range(databases):
        database = "shop" if number == 0 else f"shop_{number}"
        add_database(owner, database, state=State.IN_PROGRESS, step="copy", step_times=steps)
    add_event(owner, "Queued.", by=by, to_state=State.QUEUED)
    add_event(owner, "Validation finished.", kind=EventKind.STEP)
    add_samples(owner, seconds=240)
    return owner


def failed(name: str = "crm-move", *, by: User | None = None) -> Migration:
    """The target's disk was full in the middle of the copy."""
    start = timezone.now() - timedelta(hours=2)
    words = 'ERROR:  could not extend file "base/16401/24577": No space left on device\nCONTEXT:  COPY stock, line 81'
    owner = migration(
        name,
        state=State.FAILED,
        substate=Substate.COMPLETED,
        by=by,
        started_at=start,
        ended_at=start + timedelta(minutes=48),
        step_times=times(Step.COPY, start=start, state=StepState.RUNNING),
        error="The disk of the target is full.",
        error_hint="Enlarge the storage of the target (38.0 GiB are still to come), then resume.",
        error_server_message=words,
    )
    database = add_database(
        owner,
        "crm",
        tables=9,
        done=6,
        state=State.FAILED,
        step="copy",
        error="The disk of the target is full.",
        error_server_message=words,
        on_target="6 of 9 tables are complete; the others are empty. No index of them has been built.",
    )
    TableCopy.objects.filter(database=database, name="stock").update(
        state=PartState.FAILED, error="No space left on device"
    )
    add_event(owner, "Queued.", by=by, to_state=State.QUEUED)
    add_event(owner, owner.error, kind=EventKind.ERROR, level="Failed")
    add_samples(owner)
    return owner


FINDINGS: tuple[dict[str, str], ...] = (
    {
        "code": "603405",
        "level": "Failed",
        "subject": "Extension postgis",
        "saw": "The source uses postgis 3.4; the target does not offer it.",
        "why": "Tables with its types cannot be created, so nothing of database shop can be moved.",
        "fix": "Allow the extension on the target, then validate again.",
        "fix_sql": "ALTER SYSTEM SET azure.extensions = 'postgis';",
        "side": "target",
    },
    {
        "code": "PM0031",
        "level": "Warning",
        "subject": "Role batch",
        "saw": "The password of role batch cannot be read on Amazon RDS.",
        "why": "The role is created without a password and cannot log in.",
        "fix": "Set a new password on the target.",
        "fix_sql": "ALTER ROLE batch PASSWORD 'choose one';",
        "side": "target",
    },
    {
        "code": "PM0044",
        "level": "CouldNotCheck",
        "subject": "Free space on the target",
        "saw": "The target does not tell how much space is free.",
        "why": "The copy needs 51.0 GiB.",
        "fix": "Look at the storage of the target in its own portal.",
    },
    {
        "code": "PM0050",
        "level": "Info",
        "subject": "Table sales.audit_log",
        "saw": "It is unlogged.",
        "why": "It arrives as it is.",
    },
)


def add_findings(owner: Migration, database: MigrationDatabase | None) -> None:
    """One of each level; the first belongs to the database."""
    for number, fields in enumerate(FINDINGS):
        MigrationFinding.objects.create(
            migration=owner, database=None if number else database, phase="validate", **fields
        )


def validation_failed(name: str = "geo-data", *, by: User | None = None) -> Migration:
    """Something stands in the way."""
    start = timezone.now() - timedelta(minutes=30)
    owner = migration(
        name,
        state=State.VALIDATION_FAILED,
        substate=Substate.COMPLETED,
        by=by,
        started_at=start,
        ended_at=start + timedelta(seconds=12),
        step_times=times(Step.VALIDATE, start=start),
        error="1 check failed.",
        error_hint="Fix what the findings name, then validate again.",
    )
    add_findings(owner, MigrationDatabase.objects.create(migration=owner, source_name="shop", target_name="shop"))
    return owner


def succeeded(name: str = "billing", *, by: User | None = None, verified: str = "identical") -> Migration:
    """Complete; ``verified`` says with what result."""
    start = timezone.now() - timedelta(days=1)
    steps = times(Step.VERIFY, start=start, state=StepState.DONE)
    owner = migration(
        name,
        state=State.SUCCEEDED,
        substate=Substate.COMPLETED,
        by=by,
        started_at=start,
        ended_at=start + timedelta(seconds=280),
        step_times=steps,
    )
    database = add_database(
        owner, "billing", tables=9, done=9, state=State.SUCCEEDED, verified=verified, ended_at=owner.ended_at,
        on_target="Complete.",
    )  # fmt: skip
    add_event(owner, "Queued.", by=by, to_state=State.QUEUED)
    add_results(database, worst=verified)
    add_samples(owner, seconds=280)
    return owner


def add_results(database: MigrationDatabase, *, worst: str) -> None:
    """Tables, sequences and functions; one table has the worst result."""
    for table in database.tables.all():
        text = f"{table.rows_done:,} rows, hash 88f2c1d0e7"
        name = f"{table.schema}.{table.name}"
        VerificationResult.objects.create(
            database=database, object_class="table", name=name, result="identical", source=text, target=text
        )
    for number in range(4):
        name, text = f"public.id_{number}", "next 42"
        VerificationResult.objects.create(
            database=database, object_class="sequence", name=name, result="identical", source=text, target=text
        )
    if worst == "different":
        VerificationResult.objects.filter(database=database, object_class="table", name="public.invoices").update(
            result=worst,
            target="6,710,884 rows, hash 0042aa17bc",
            detail="Missing on the target: id = 4711, id = 4712.",
        )
    elif worst == "could_not_verify":
        VerificationResult.objects.filter(database=database, object_class="sequence", name="public.id_3").update(
            result=worst, target="", detail="permission denied for sequence id_3"
        )


MANY = """
CREATE TEMPORARY TABLE sample_history ON COMMIT DROP AS
    SELECT number, gen_random_uuid() AS id, gen_random_uuid() AS source, gen_random_uuid() AS target,
           now() - number * interval '50 minutes' - interval '10 minutes' AS started,
           CASE WHEN number %% 12 = 5 THEN 'Failed' WHEN number %% 25 = 3 THEN 'Canceled' ELSE 'Succeeded' END AS state,
           (ARRAY['AWS_RDS', 'AWS_AURORA', 'GCP_CloudSQL', 'OnPremises'])[1 + number %% 4] AS kind
    FROM generate_series(0, %(count)s - 1) AS number;
INSERT INTO migrations_app_migrationendpoint
    (id, host, port, username, sealed_password, sslmode, ca_certificate, maintenance_database, facts)
    SELECT source, 'db' || number || '.example.org', 5432, 'dbadmin', '', 'prefer', '', 'postgres', '{}'::jsonb
    FROM sample_history
    UNION ALL
    SELECT target, 'target' || number || '.example.org', 5432, 'dbadmin', '', 'prefer', '', 'postgres', '{}'::jsonb
    FROM sample_history;
INSERT INTO migrations_app_migration
    (id, name, source_type, option, mode, source_id, target_id, state, substate, revision, draft_step, draft_saved_at,
     jobs, split_bytes, roles, verification, on_object_error, forget_passwords, error, error_hint, error_server_message,
     step_times, created_by_id, created_at, started_at, ended_at)
    SELECT id, 'history-' || lpad(number::text, 5, '0'), kind, 'ValidateAndMigrate', 'Offline', source, target, state,
           'Completed', 20, 'review', started, 4, 1073741824, 'copy', 'full', 'continue', false,
           CASE state WHEN 'Failed' THEN 'The connection to the source was lost.' ELSE '' END, '', '', '{}'::jsonb,
           %(person)s, started - interval '1 minute', started, started + number %% 90 * interval '1 minute'
    FROM sample_history;
INSERT INTO migrations_app_migrationdatabase
    (id, migration_id, source_name, target_name, overwrite, selection, facts, state, step, step_times, verified,
     bytes_total, bytes_done, rows_done, tables_total, tables_done, indexes_total, indexes_done, error, error_hint,
     error_server_message, on_target, started_at, ended_at)
    SELECT gen_random_uuid(), id, name, name, false, '{}'::jsonb, '{}'::jsonb, state, '', '{}'::jsonb,
           CASE state WHEN 'Succeeded' THEN 'identical' ELSE '' END, 9663676416, 9663676416, 80000000, 40, 40, 90, 90,
           '', '', '', '', started, started
    FROM sample_history, unnest(ARRAY['app', 'reporting']) AS name;
"""


def many(count: int, *, by: User) -> None:
    """A history of ``count`` migrations, one every 50 minutes, each with two databases. In SQL, to be quick."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in MANY.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"count": count, "person": by.pk} if "%" in statement else None)
