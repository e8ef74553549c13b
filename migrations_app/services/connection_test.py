"""The connection test: may this portal reach the server, can it log in, and what does it find there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import probe_server
from migrations_app.engine.spec import Side
from migrations_app.models import EventKind, Migration, MigrationEndpoint, MigrationEvent, SavedConnection
from migrations_app.services.endpoints import endpoint_from_row

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Row = MigrationEndpoint | SavedConnection


def test_connection(
    row: Row,
    side: Side | str,
    *,
    migration: Migration | None = None,
    actor: User | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Log in with the stored values, store what was seen as ``row.facts`` with its time, and return it.

    Raises ``ConnectionFailed`` (or another ``EngineError``) and makes an earlier test void. With ``migration`` the
    outcome is an event of it.
    """
    try:
        facts = probe_server(Server(endpoint_from_row(row, side))).as_dict()
    except EngineError as error:
        _store(row, facts={}, succeeded=False)
        _write_event(migration, row=row, outcome=f"failed: {error.message}", actor=actor, address=address)
        raise
    _store(row, facts=facts, succeeded=True)
    outcome = f"succeeded: {facts['settings']['version_text']}"
    _write_event(migration, row=row, outcome=outcome, actor=actor, address=address)
    return facts


def _store(row: Row, *, facts: dict[str, Any], succeeded: bool) -> None:
    row.facts = facts
    row.tested_at = timezone.now() if succeeded else None
    row.save(update_fields=["facts", "tested_at"])


def _write_event(
    migration: Migration | None, *, row: Row, outcome: str, actor: User | None, address: str | None
) -> None:
    if migration is None:
        return
    message = f"Connection test of {row.username}@{row.host}:{row.port} {outcome}"
    MigrationEvent.objects.create(
        migration=migration, kind=EventKind.ACTION, message=message[:2000], actor=actor, address=address
    )
