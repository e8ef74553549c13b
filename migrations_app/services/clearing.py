"""End what a migration left running on its servers."""

from __future__ import annotations

import logging
from uuid import UUID

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Error, Server
from migrations_app.models import EventKind, Migration, MigrationEvent
from migrations_app.services.spec import spec_for

logger = logging.getLogger(__name__)

NOBODY = "nobody/"


def end_sessions(migration_id: UUID, *, fence: int) -> None:
    """End every session of this migration on both servers: a killed worker's statements may still run there.

    A server that cannot be asked is noted in the event log, with its reason.
    """
    migration = Migration.objects.select_related("source", "target").get(pk=migration_id)
    prefix = f"pgmig/{str(migration_id)[:8]}/"
    try:
        spec = spec_for(migration)
    except EngineError as error:
        _note(migration_id, f"It was not looked for sessions left on the servers: {error.message}")
        return
    for endpoint in (spec.source, spec.target):
        server = Server(endpoint, tag=f"pgmig/clear/{fence}", control=Control(fence=fence))
        try:
            ended = server.terminate_sessions(prefix, keep_tag=NOBODY)
        except (EngineError, Error) as error:
            logger.warning("sessions on %s could not be ended: %s", endpoint.label, error)
            _note(migration_id, f"It could not be seen whether sessions are left on {endpoint.label}: {error}")
            continue
        if ended:
            _note(migration_id, f"{ended} sessions of this migration that were left on {endpoint.label} were ended.")


def _note(migration_id: UUID, message: str) -> None:
    MigrationEvent.objects.create(migration_id=migration_id, kind=EventKind.NOTE, message=message.replace("\x00", ""))
