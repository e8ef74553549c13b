"""State, error and result of each database."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, DateTimeField, F, Value, When
from django.db.models.functions import Coalesce

from migrations_app.engine.events import CheckResult, DatabaseFailed, DatabaseFinished, DatabaseStarted, Event
from migrations_app.models import MigrationDatabase, OnlinePhase, State
from migrations_app.services.recording.ledger import clean

# What a cutover proved stays, when a run goes on with the way back.
KEPT = Case(When(phase__in=(OnlinePhase.CUT_OVER, OnlinePhase.GOING_BACK), then=F("verified")), default=Value(""))
NO_ERROR = {"error": "", "error_hint": "", "error_server_message": ""}


DIFFERENT = {
    "error": "Source and target are different.",
    "error_hint": "The verification lists each difference. Somebody may have written to the target meanwhile. "
    "Resume copies the tables and large objects that differ again, sets the sequences again, and compares once more. "
    "Mend other differences first.",
}
COULD_NOT_VERIFY = {
    "error": "Some objects could not be verified, so it is not proved that everything arrived.",
    "error_hint": "The verification lists them with the reason. Mend it and resume, which copies those tables again "
    "and compares once more.",
}


class DatabaseLedger:
    """Later events about a database replace earlier ones."""

    def __init__(self) -> None:
        self._changes: dict[UUID, dict[str, Any]] = {}

    def take(self, event: Event, *, at: datetime) -> None:
        """Take the begin or the end of a database."""
        change: dict[str, Any]
        match event:
            case DatabaseStarted(database_id=database_id):
                change = {"state": State.IN_PROGRESS, "ended_at": None, "on_target": "", "verified": KEPT} | NO_ERROR
                change["started_at"] = Coalesce("started_at", Value(at, output_field=DateTimeField()))
            case DatabaseFinished(database_id=database_id, verified=verified):
                change = {"ended_at": at, "verified": str(verified)} | _result(event)
            case DatabaseFailed(database_id=database_id):
                change = {
                    "state": State.FAILED,
                    "ended_at": at,
                    "error": clean(event.message),
                    "error_hint": clean(event.hint),
                    "error_server_message": clean(event.server_message),
                    "on_target": clean(event.on_target),
                }
            case _:
                return
        self._changes.setdefault(UUID(database_id), {}).update(change)

    def write(self) -> bool:
        """Store the changed databases."""
        for pk, change in self._changes.items():
            MigrationDatabase.objects.filter(pk=pk).update(**change)
        return bool(self._changes)

    def stored(self) -> None:
        """Nothing is new any more."""
        self._changes.clear()


def _result(event: DatabaseFinished) -> dict[str, Any]:
    """A database with an unexplained loss is not succeeded, though it is complete as far as it goes."""
    if event.losses:
        count = len(event.losses)
        objects = "1 object" if count == 1 else f"{count} objects"
        names = ", ".join(event.losses[:5]) + (" …" if count > 5 else ".")
        return {
            "state": State.FAILED,
            "error": clean(f"{objects} could not be restored: {names}"),
            "error_hint": "The findings hold each statement and the server's message. Mend the cause and resume.",
            "error_server_message": "",
            "on_target": "Everything else is on the target.",
        }
    if event.verified == CheckResult.DIFFERENT:
        return NO_ERROR | {"state": State.FAILED} | DIFFERENT
    if event.verified == CheckResult.COULD_NOT_VERIFY:
        return NO_ERROR | {"state": State.FAILED} | COULD_NOT_VERIFY
    return NO_ERROR | {"state": State.SUCCEEDED}
