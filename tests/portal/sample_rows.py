"""Rows of the portal's own database for pages: migrations in every state, as the services leave them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F
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
SOURCES = (SourceType.AWS_RDS, SourceType.AWS_AURORA, SourceType.GCP_CLOUD_SQL, SourceType.ON_PREMISES)


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
    },
    {
        "code": "PM0031",
        "level": "Warning",
        "subject": "Role batch",
        "saw": "The password of role batch cannot be read on Amazon RDS.",
        "why": "The role is created without a password and cannot log in.",
        "fix": "Set a new password on the target.",
        "fix_sql": "ALTER ROLE batch PASSWORD 'choose one';",
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
            target="8,947,847 rows, hash 0042aa17bc",
            detail="Missing on the target: id = 4711, id = 4712.",
        )
    elif worst == "could_not_verify":
        VerificationResult.objects.filter(database=database, object_class="sequence", name="public.id_3").update(
            result=worst, target="", detail="permission denied for sequence id_3"
        )


def many(count: int, *, by: User | None = None) -> None:
    """A history of ``count`` migrations over a year, each with two databases."""
    noise = random.Random(11)
    now = timezone.now()
    servers = [MigrationEndpoint(host=f"db{number}.example.org", username="dbadmin") for number in range(2 * count)]
    MigrationEndpoint.objects.bulk_create(servers, batch_size=2000)
    states = [State.SUCCEEDED] * 85 + [State.FAILED] * 8 + [State.CANCELED] * 4 + [State.DRAFT] * 3
    rows = []
    for number in range(count):
        start = now - timedelta(minutes=50 * number + 10)
        state = noise.choice(states)
        ended = start + timedelta(seconds=noise.randint(60, 9000)) if state != State.DRAFT else None
        rows.append(
            Migration(
                name=f"history-{number:05}", state=state, source=servers[2 * number], target=servers[2 * number + 1],
                source_type=noise.choice(SOURCES), created_by=by, started_at=start if ended else None, ended_at=ended,
                revision=20, error="The connection to the source was lost." if state == State.FAILED else "",
            )
        )  # fmt: skip
    Migration.objects.bulk_create(rows, batch_size=1000)
    Migration.objects.filter(started_at__isnull=False).update(created_at=F("started_at") - timedelta(minutes=1))
    databases = [
        MigrationDatabase(
            migration=row, source_name=name, target_name=name, state=row.state, tables_total=40, tables_done=40,
            bytes_total=9 * GIB, bytes_done=9 * GIB, verified="identical" if row.state == State.SUCCEEDED else "",
        )
        for row in rows
        for name in ("app", "reporting")
    ]  # fmt: skip
    MigrationDatabase.objects.bulk_create(databases, batch_size=2000)
