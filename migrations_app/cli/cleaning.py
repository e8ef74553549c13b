"""The command that cleans up both servers again after the end of an online migration."""

from __future__ import annotations

import time

from migrations_app.cli.exits import ExitCode
from migrations_app.cli.operating_person import operating_person
from migrations_app.cli.output import Output
from migrations_app.cli.passwords import password_for
from migrations_app.engine.spec import Side
from migrations_app.models import CleanUp, CleanUpItem, Migration
from migrations_app.services.clean_up_again import request_clean_up
from migrations_app.services.consent import Person
from migrations_app.services.runs import passwords_forgotten

POLL_SECONDS = 0.5


def clean_up_command(migration: Migration, *, wait: bool, output: Output) -> ExitCode:
    """Ask for a clean-up, and with ``--wait`` list what was found. Raises ``ActionRefused`` or ``CommandFailed``."""
    missing = passwords_forgotten(migration)
    asked = request_clean_up(
        migration.pk,
        by=Person(name=operating_person()),
        source_password=_asked_again(migration, Side.SOURCE) if Side.SOURCE in missing else "",
        target_password=_asked_again(migration, Side.TARGET) if Side.TARGET in missing else "",
    )
    output.aside(f"{migration.name}: asked to clean up both servers again.")
    if not wait:
        return ExitCode.SUCCESS
    try:
        while asked.ended_at is None:
            time.sleep(POLL_SECONDS)
            asked.refresh_from_db()
    except KeyboardInterrupt:
        output.aside("It goes on without you.")
        return ExitCode.INTERRUPTED
    _write(asked, output=output)
    return ExitCode.SUCCESS if asked.nothing_is_left else ExitCode.MIGRATION_FAILED


def _asked_again(migration: Migration, side: Side) -> str:
    return password_for(side, from_file=None, label=str(getattr(migration, side.value)))


def _write(asked: CleanUp, *, output: Output) -> None:
    rows = list(asked.items.select_related("database"))
    if output.as_json:
        items = [_as_json(row) for row in rows]
        output.json({"message": asked.message, "nothingIsLeft": asked.nothing_is_left, "items": items})
        return
    if rows:
        cells = [
            (
                row.get_side_display(),
                row.database.source_name,
                row.kind,
                *map(_names, (row.removed, row.kept, row.left)),
            )
            for row in rows
        ]
        output.table(("Server", "Database", "Looked for", "Removed", "Kept", "Left"), cells)
    for row in rows:
        for text in (row.server_message, row.statements):
            if text:
                output.line(f"{row.server}: {text}")
    output.line(asked.message)


def _as_json(row: CleanUpItem) -> dict[str, object]:
    names = ("side", "server", "kind", "removed", "kept", "left", "statements", "server_message")
    return {"database": row.database.source_name} | {name: getattr(row, name) for name in names}


def _names(names: list[str]) -> str:
    return ", ".join(names) or "–"
