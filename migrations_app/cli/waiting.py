"""Watch a migration until it ends: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from migrations_app.cli.exits import ExitCode
from migrations_app.cli.output import Output
from migrations_app.cli.wording import duration_words, size_words
from migrations_app.engine.events import Step
from migrations_app.following import is_following
from migrations_app.models import Migration, State, Substate
from migrations_app.selectors.migration_page import MigrationPage, migration_page
from migrations_app.services.liveness import workers_seen_seconds_ago

POLL_SECONDS = 0.5
LINE_SECONDS = 10.0
SILENT_WORKERS_SECONDS = 30.0
COMMAND = "python manage.py migration"

Show = Callable[[MigrationPage], None]


def wait_for_end(migration: Migration, *, output: Output) -> ExitCode | None:
    """Show the progress until the migration has ended, or follows the source until somebody decides; None then.

    Ctrl-C ends the waiting only: the code is returned, and how to cancel is said.
    """
    try:
        if output.errors.is_terminal:
            _watch_with_bar(migration.pk, output=output)
        else:
            _watch(migration.pk, show=_PlainLines(output).show, output=output)
    except KeyboardInterrupt:
        output.aside(
            f"{migration.name} goes on without you. To watch it again: python manage.py migration show "
            f"{migration.name} --wait. To end it: python manage.py migration cancel {migration.name}."
        )
        return ExitCode.INTERRUPTED
    migration.refresh_from_db()
    return None


def waits_for_decision(migration: Migration) -> bool:
    """Tell whether it follows the source until a person cuts over, or decides on the way back: that may take days."""
    return is_following(migration) and migration.cancel_requested_at is None


def progress_words(page: MigrationPage) -> str:
    """What it does now: ``Copying 4 of 6 tables · 38.2 GiB of 51.0 GiB · 118.0 MiB/s · about 2 min left``."""
    migration = page.migration
    if migration.state != State.IN_PROGRESS or page.current is None:
        return str(migration.get_state_display() if migration.is_terminal else _waiting_words(migration))
    return " · ".join([page.current.doing + _count_words(page), *_speed_words(page)])


def _count_words(page: MigrationPage) -> str:
    """How much of the current step is done, where that can be counted."""
    totals = page.totals
    if page.current is None or page.current.step not in (Step.COPY, Step.INDEXES) or not totals.tables_total:
        return ""
    if page.current.step == Step.INDEXES:
        return f" {totals.indexes_done} of {totals.indexes_total}"
    return f" {totals.tables_done} of {totals.tables_total} tables"


def _speed_words(page: MigrationPage) -> list[str]:
    if page.current is None or page.current.step != Step.COPY or not page.totals.tables_total:
        return []
    words = [f"{size_words(page.totals.bytes_done)} of {size_words(page.totals.bytes_total)}"]
    if page.throughput.rate.bytes_per_second:
        words.append(f"{size_words(page.throughput.rate.bytes_per_second)}/s")
    if page.seconds_left is not None:
        words.append(f"about {duration_words(page.seconds_left)} left")
    return words


def _waiting_words(migration: Migration) -> str:
    if migration.state == State.QUEUED and migration.scheduled_at:
        return f"Queued, to start at {migration.scheduled_at:%Y-%m-%d %H:%M %Z}"
    words = f"{migration.get_state_display()}: {migration.get_substate_display()}"
    if migration.substate == Substate.WAITING_FOR_ACCEPTANCE:
        return f"{words} (python manage.py migration accept {migration.name} --all --reason WHY)"
    if migration.substate == Substate.WAITING_FOR_CUTOVER:
        return f"{words} ({COMMAND} cutover {migration.name} --wait)"
    if migration.substate == Substate.WAITING_FOR_FALL_BACK:
        return f"{words} ({COMMAND} go-back {migration.name}, or {COMMAND} finish {migration.name})"
    return words


def _watch(migration_id: UUID, *, show: Show, output: Output) -> None:
    warn = _SilentWorkers(output)
    while True:
        page = migration_page(migration_id, with_line=False)
        show(page)
        if page.migration.is_terminal or waits_for_decision(page.migration):
            return
        warn.look(page.migration)
        time.sleep(POLL_SECONDS)


def _watch_with_bar(migration_id: UUID, *, output: Output) -> None:
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"))
    with Progress(*columns, console=output.errors, transient=True) as progress:
        bar = progress.add_task("", total=None)
        _watch(migration_id, show=lambda page: _move_bar(progress, bar, page), output=output)


def _move_bar(progress: Progress, bar: TaskID, page: MigrationPage) -> None:
    copies = page.current is not None and page.current.step == Step.COPY and page.totals.tables_total > 0
    progress.update(bar, description=progress_words(page), completed=page.totals.percent, total=100 if copies else None)


class _PlainLines:
    """A line whenever the step changes, and every ten seconds."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.last_step = ""
        self.last_at = 0.0

    def show(self, page: MigrationPage) -> None:
        step = page.current.label if page.current else str(page.migration.state)
        if step == self.last_step and time.monotonic() - self.last_at < LINE_SECONDS:
            return
        self.last_step, self.last_at = step, time.monotonic()
        self.output.aside(f"{duration_words(page.elapsed_seconds or 0)}: {progress_words(page)}")


class _SilentWorkers:
    """Say once that nobody works, where a due migration stays queued."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.said = False
        self.queued_since = time.monotonic()

    def look(self, migration: Migration) -> None:
        if self.said or migration.state != State.QUEUED or migration.scheduled_at:
            return
        seen = workers_seen_seconds_ago()
        if time.monotonic() - self.queued_since < SILENT_WORKERS_SECONDS:
            return
        seen = workers_seen_seconds_ago()
        if seen is None or seen > SILENT_WORKERS_SECONDS:
            self.said = True
            when = "has ever answered" if seen is None else f"has answered for {duration_words(seen)}"
            self.output.aside(f"No worker {when}, so nothing starts. Start the portal: ./run up")
