"""The commands that ask something of a database that is followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from migrations_app.cli.exits import CommandFailed, ExitCode
from migrations_app.cli.operating_person import operating_person
from migrations_app.cli.output import Output
from migrations_app.cli.showing import show
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.lsn import lsn_text
from migrations_app.engine.spec import VerificationLevel
from migrations_app.models import CutoverAttempt, Migration, ReplicationRequest
from migrations_app.services.consent import Person
from migrations_app.services.requests import (
    continue_replication,
    pause_replication,
    request_cutover,
    request_finish,
    request_go_back,
    request_mend,
    request_rehearsal,
)

POLL_SECONDS = 0.5
DEEDS: dict[str, Callable[..., list[ReplicationRequest]]] = {
    "rehearse": request_rehearsal,
    "cutover": request_cutover,
    "pause": pause_replication,
    "continue": continue_replication,
    "apply-change": request_mend,
    "go-back": request_go_back,
    "finish": request_finish,
}


def ask_command(migration: Migration, arguments: dict[str, Any], *, output: Output) -> ExitCode:
    """Ask, and with ``--wait`` say how it went. Raises ``ActionRefused`` or ``CommandFailed``."""
    choice: dict[str, Any] = {}
    if arguments["database"]:
        choice["database_id"] = _database(migration, arguments["database"])
    if arguments.get("verification"):
        choice["verification"] = VerificationLevel(arguments["verification"])
    if arguments.get("subject"):
        choice["subject"] = arguments["subject"]
        choice["may_drop"] = arguments["may_drop"]
    if arguments.get("reopen_source"):
        choice["reopen_source"] = True
    requests = DEEDS[arguments["subcommand"]](migration.pk, by=Person(name=operating_person()), **choice)
    names = ", ".join(_names(requests))
    output.aside(f"{migration.name}: asked to {requests[0].get_kind_display().lower()}: {names}.")
    code = _wait_for(requests, output=output) if arguments["wait"] else ExitCode.SUCCESS
    if output.as_json:
        migration.refresh_from_db()
        show(migration, output=output)
    return code


def _database(migration: Migration, name: str) -> Any:
    row = migration.databases.filter(source_name=name).first()
    if row is None:
        names = ", ".join(each.source_name for each in migration.databases.all())
        raise CommandFailed(f"{migration.name} has no database {name}.", hint=f"It has: {names}.")
    return row.pk


def _names(requests: Sequence[ReplicationRequest]) -> list[str]:
    return [request.database.source_name for request in requests]


def _wait_for(requests: Sequence[ReplicationRequest], *, output: Output) -> ExitCode:
    """Say how each ended, as it ends. Ctrl-C ends the waiting only."""
    waiting = {request.pk for request in requests}
    failed = False
    try:
        while waiting:
            ended = ReplicationRequest.objects.filter(pk__in=waiting, ended_at__isnull=False)
            for row in ended.select_related("database"):
                waiting.discard(row.pk)
                failed = failed or not row.succeeded
                output.line(f"{row.database.source_name}: {_outcome(row)}")
            if waiting:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        output.aside("It goes on without you.")
        return ExitCode.INTERRUPTED
    return ExitCode.MIGRATION_FAILED if failed else ExitCode.SUCCESS


def _outcome(request: ReplicationRequest) -> str:
    """``Cut over in 3.2 s, at 0/5A3C2F0.`` or why not."""
    attempt = CutoverAttempt.objects.filter(request=request).last()
    if attempt is not None and attempt.result:
        return _attempt_words(attempt)
    if request.succeeded:
        return request.message or f"{request.get_kind_display()}: done."
    return f"{request.get_kind_display()}: not done. {request.message}".rstrip()


def _attempt_words(attempt: CutoverAttempt) -> str:
    seconds = f"{attempt.downtime_seconds or 0:.1f} s"
    if attempt.result == CutoverResult.REHEARSED:
        return f"Rehearsed: writes would be blocked for about {seconds}. {attempt.message}".rstrip()
    if attempt.result == CutoverResult.DONE:
        words = "Back on the source after" if attempt.direction == "reverse" else "Cut over in"
        return f"{words} {seconds}, at {lsn_text(attempt.fence_lsn)}. {attempt.message}".rstrip()
    return f"Undone. {attempt.message} {attempt.hint}".strip()
