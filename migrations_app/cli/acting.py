"""The commands that change something: create, validate, start, cancel, resume."""

from __future__ import annotations

from typing import Any

from migrations_app.cli.creating import create
from migrations_app.cli.exits import ExitCode
from migrations_app.cli.operating_person import record
from migrations_app.cli.output import Output
from migrations_app.cli.passwords import password_for
from migrations_app.cli.request import request_from
from migrations_app.cli.showing import show
from migrations_app.cli.verdict import exit_code_of
from migrations_app.cli.waiting import progress_words, wait_for_end, waits_for_decision
from migrations_app.cli.wording import time_words
from migrations_app.engine.spec import Side
from migrations_app.models import Migration
from migrations_app.selectors.migration_page import migration_page
from migrations_app.services.runs import migration_cancel, migration_resume, migration_start, passwords_forgotten


def create_command(arguments: dict[str, Any], *, output: Output) -> ExitCode:
    """Create a migration; start it and wait for it as far as the arguments say."""
    request = request_from(arguments)
    for note in request.notes:
        output.aside(note)
    migration = create(request)
    output.aside(f"Created {migration.name} ({migration.pk}).")
    if arguments["start"] or arguments["wait"] or arguments["schedule"]:
        return start_command(migration, wait=arguments["wait"], output=output)
    output.aside(f"It is a draft. To start it: python manage.py migration start {migration.name}")
    if output.as_json:
        show(migration, output=output)
    return ExitCode.SUCCESS


def start_command(migration: Migration, *, wait: bool, output: Output) -> ExitCode:
    """Start a draft. Raises ``ActionRefused``."""
    migration_start(migration.pk)
    record(migration, "Started")
    migration.refresh_from_db()
    when = f"It starts at {time_words(migration.scheduled_at)}." if migration.scheduled_at else "It is queued."
    output.aside(f"{migration.name}: {when}")
    return finish(migration, wait=wait, output=output)


def cancel_command(migration: Migration, *, wait: bool, output: Output) -> ExitCode:
    """Ask a migration to end; one that was canceled as asked counts as success. Raises ``ActionRefused``."""
    migration_cancel(migration.pk)
    record(migration, "Cancel asked for")
    if wait and (interrupted := wait_for_end(migration, output=output)):
        return interrupted
    _write_end(migration, output=output)
    return ExitCode.SUCCESS


def resume_command(migration: Migration, *, wait: bool, output: Output) -> ExitCode:
    """Go on with a failed migration. Raises ``ActionRefused``, or ``CommandFailed`` where a password is missing."""
    missing = passwords_forgotten(migration)
    migration_resume(
        migration.pk,
        source_password=_asked_again(migration, Side.SOURCE) if Side.SOURCE in missing else "",
        target_password=_asked_again(migration, Side.TARGET) if Side.TARGET in missing else "",
    )
    record(migration, "Resumed")
    return finish(migration, wait=wait, output=output)


def _asked_again(migration: Migration, side: Side) -> str:
    return password_for(side, from_file=None, label=str(getattr(migration, side.value)))


def finish(migration: Migration, *, wait: bool, output: Output) -> ExitCode:
    """Wait if asked to, show how it stands, and return the exit code."""
    if not wait:
        if output.as_json:
            show(migration, output=output)
        return ExitCode.SUCCESS
    interrupted = wait_for_end(migration, output=output)
    _write_end(migration, output=output)
    if waits_for_decision(migration):
        return interrupted or ExitCode.SUCCESS
    return interrupted or exit_code_of(migration)


def _write_end(migration: Migration, *, output: Output) -> None:
    migration.refresh_from_db()
    if output.as_json or migration.is_terminal:
        show(migration, output=output)
    else:
        output.line(f"{migration.name}: {progress_words(migration_page(migration.pk, with_line=False))}.")
