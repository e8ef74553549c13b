"""The commands that look: show, list, verify, events, report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from migrations_app.cli.exits import CommandFailed, ExitCode
from migrations_app.cli.findings import write_findings
from migrations_app.cli.output import Output
from migrations_app.cli.verdict import exit_code_of_proof, proof_words
from migrations_app.cli.waiting import progress_words
from migrations_app.cli.wording import duration_words, size_words, time_words
from migrations_app.engine.events import CheckResult
from migrations_app.following import followed_databases
from migrations_app.models import ACTIVE_STATES, Migration, MigrationDatabase, OldSourceVisitor, OnlinePhase, State
from migrations_app.selectors.alarms import reminders_of
from migrations_app.selectors.findings import findings_of
from migrations_app.selectors.lag import lag_of
from migrations_app.selectors.migration_page import (
    MigrationPage,
    elapsed_seconds,
    migration_page,
    migrations_with_endpoints,
)
from migrations_app.selectors.verification import RESULT_LABELS, class_summaries, results_of
from migrations_app.services.azure_status import azure_status_for
from migrations_app.services.reports import NOT_VERIFIED, report_for

VERIFIED_LABELS = {**{key.value: label for key, label in RESULT_LABELS.items()}, NOT_VERIFIED: "Not verified", "": "–"}


def show(migration: Migration, *, output: Output) -> None:
    """Write one migration: for scripts in Microsoft's shape, for people as a page of text."""
    findings = list(findings_of(migration.pk))
    if output.as_json:
        databases = list(migration.databases.all())
        output.json(azure_status_for(migration, databases=databases, findings=findings))
        return
    page = migration_page(migration.pk, with_line=False)
    _write_head(page, output=output)
    _write_databases(page.databases, output=output)
    _write_followed(migration, output=output)
    write_findings(findings, output=output)


def list_migrations(*, active_only: bool, limit: int, output: Output) -> None:
    """Write the newest migrations."""
    migrations = migrations_with_endpoints().prefetch_related("databases").order_by("-created_at")
    if active_only:
        migrations = migrations.filter(state__in=ACTIVE_STATES)
    rows = list(migrations[: max(limit, 0)])
    if output.as_json:
        output.json([_summary(row) for row in rows])
    elif not rows:
        output.line("No migration is active." if active_only else "There is no migration yet.")
    else:
        headings = ("Name", "State", "Option", "Source", "Target", "Databases", "Created", "Took")
        output.table(headings, [_list_row(row) for row in rows], right=("Took",))


def verify(migration: Migration, *, every_object: bool, output: Output) -> ExitCode:
    """Write how source and target compared. Raises ``CommandFailed`` while the migration has not ended."""
    if not migration.is_terminal:
        raise CommandFailed(
            f"{migration.name} has not ended: {migration.get_state_display()}.",
            hint=f"Wait for it: python manage.py migration show {migration.name} --wait",
        )
    code = exit_code_of_proof(migration)
    if output.as_json:
        report = report_for(migration)
        output.json({key: report[key] for key in ("migration", "verification", "databases")})
        return code
    output.line(proof_words(migration))
    _write_databases(list(migration.databases.all()), output=output)
    _write_classes(migration, output=output)
    _write_objects(migration, every_object=every_object, output=output)
    return code


def events(migration: Migration, *, limit: int | None, output: Output) -> None:
    """Write the event log, the oldest line first."""
    rows = list(migration.events.select_related("actor", "database").order_by("-id")[:limit])[::-1]
    if output.as_json:
        output.json(report_for(migration)["events"][-limit if limit else None :])
        return
    output.table(
        ("When", "Who", "Database", "What"),
        [
            (
                time_words(row.at),
                row.actor.get_username() if row.actor else "",
                row.database.source_name if row.database else "",
                row.message,
            )
            for row in rows
        ],
    )


def report(migration: Migration, *, file: str | None, output: Output) -> None:
    """Write the whole report to ``file``, or to the standard output. Raises ``CommandFailed``."""
    if file is None:
        output.json(report_for(migration))
        return
    text = json.dumps(report_for(migration), indent=2, ensure_ascii=False) + "\n"
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.", hint="Choose another file.") from None
    output.aside(f"Written to {file}.")


def _write_head(page: MigrationPage, *, output: Output) -> None:
    migration = page.migration
    output.line(f"{migration.name} ({migration.pk})")
    output.line(f"{migration.source} → {migration.target}")
    output.line(f"{migration.get_option_display()}, {migration.mode}: {progress_words(page)}")
    if migration.started_at:
        output.line(f"Started {time_words(migration.started_at)}, took {duration_words(page.elapsed_seconds)}")
    for text in (migration.error, migration.error_hint):
        if text:
            output.line(text)
    if migration.error_server_message:
        output.line(f"The server said: {migration.error_server_message}")
    rows = [(step.label, step.state_label, duration_words(step.elapsed_seconds)) for step in page.rail]
    output.table(("Step", "State", "Took"), rows, right=("Took",))


def _write_databases(databases: Sequence[MigrationDatabase], *, output: Output) -> None:
    headings = ("Database", "On target", "State", "Tables", "Rows", "Data", "Verified")
    rows = [
        (
            database.source_name,
            database.target_name,
            str(database.get_state_display()),
            f"{database.tables_done}/{database.tables_total}",
            f"{database.rows_done:,}",
            size_words(database.bytes_done),
            VERIFIED_LABELS.get(database.verified, database.verified),
        )
        for database in databases
    ]
    output.table(headings, rows, right=("Tables", "Rows", "Data"))
    for database in databases:
        for text in (database.error, database.error_hint, database.on_target):
            if text:
                output.line(f"{database.source_name}: {text}")


def _write_followed(migration: Migration, *, output: Output) -> None:
    """How far the changes of each database are that is followed; nothing for an offline migration."""
    rows = [(each, each.replication) for each in followed_databases(migration)]
    headings = ("Followed", "Phase", "Replication", "Lag", "Not applied", "Inserted", "Updated", "Deleted", "Held back")
    cells = [
        (
            each.name,
            str(OnlinePhase(each.database.phase).label),
            f"{row.get_state_display()}, {row.get_engine_display().lower()}",
            duration_words(row.lag_seconds),
            size_words(row.lag_bytes) if row.lag_bytes is not None else "–",
            *(f"{count:,}" if count is not None else "–" for count in (row.inserts, row.updates, row.deletes)),
            size_words(row.retained_wal_bytes) if row.retained_wal_bytes is not None else "–",
        )
        for each, row in rows
        if row is not None
    ]
    if cells:
        output.table(headings, cells, right=headings[3:])
    for each, row in rows:
        for text in (row.error, row.error_hint) if row is not None else ():
            if text:
                output.line(f"{each.name}: {text}")
    if migration.is_active:
        _write_watched(migration, output=output)
    _write_visitors(migration, output=output)


def _write_watched(migration: Migration, *, output: Output) -> None:
    """Thresholds that are passed, and for how long the migration has been at it."""
    lag = lag_of(migration)
    for words in lag.over if lag else ():
        output.line(f"{words[:1].upper()}{words[1:]}.")
    for each in reminders_of(migration, waits_since=lag.waits_since if lag else None):
        output.line(f"{each.words} since {time_words(each.since)}, longer than {each.days} days. Nothing is ended.")


def _write_visitors(migration: Migration, *, output: Output) -> None:
    """Who was seen in the old source after the cutover."""
    rows = OldSourceVisitor.objects.filter(database__migration=migration).select_related("database")
    cells = [
        (
            row.database.source_name,
            row.role or "–",
            row.address or "–",
            row.application or "–",
            str(row.sessions),
            "wrote" if row.is_writing else "",
            time_words(row.first_seen_at),
            time_words(row.last_seen_at),
        )
        for row in rows
    ]
    if cells:
        headings = ("In the old source", "Role", "Address", "Application", "Sessions", "", "First seen", "Last seen")
        output.table(headings, cells, right=("Sessions",))


def _write_classes(migration: Migration, *, output: Output) -> None:
    rows = [
        (each.object_class, str(each.identical), str(each.different), str(each.could_not_verify))
        for each in class_summaries(migration.pk)
    ]
    if rows:
        numbers = ("Identical", "Different", "Could not verify")
        output.table(("Compared", *numbers), rows, right=numbers)


def _write_objects(migration: Migration, *, every_object: bool, output: Output) -> None:
    wanted = () if every_object else (CheckResult.DIFFERENT.value, CheckResult.COULD_NOT_VERIFY.value)
    rows = [
        (
            row.database.source_name,
            row.object_class,
            row.name,
            VERIFIED_LABELS.get(row.result, row.result),
            row.detail or (row.source if row.source == row.target else f"{row.source} ≠ {row.target}"),
        )
        for row in results_of(migration.pk, results=wanted)
    ]
    if rows:
        output.table(("Database", "Class", "Object", "Result", "Detail"), rows)


def _list_row(row: Migration) -> tuple[str, ...]:
    names = [database.source_name for database in row.databases.all()]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    state = "Canceling" if row.cancel_requested_at and not row.is_terminal else str(State(row.state).label)
    took = duration_words(elapsed_seconds(row))
    created = time_words(row.created_at)
    return (row.name, state, row.option, str(row.source), str(row.target), shown or "–", created, took)


def _summary(row: Migration) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "state": row.state,
        "substate": row.substate,
        "migrationOption": row.option,
        "migrationMode": row.mode,
        "source": str(row.source),
        "target": str(row.target),
        "databases": [database.source_name for database in row.databases.all()],
        "createdOn": row.created_at.isoformat(),
        "startedOn": row.started_at.isoformat() if row.started_at else None,
        "endedOn": row.ended_at.isoformat() if row.ended_at else None,
        "error": row.error,
    }
