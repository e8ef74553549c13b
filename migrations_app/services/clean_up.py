"""Leave nothing behind that holds back the source's log, when an online migration ends before its end."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost
from migrations_app.engine.findings import Level
from migrations_app.models import EventKind, Migration, MigrationEvent, OnlinePhase, State
from migrations_app.services.endings import Ending
from migrations_app.services.engines import Engines, run_clean_up
from migrations_app.services.heartbeat import Heartbeat
from migrations_app.services.lease import Lease
from migrations_app.services.patience import DATABASE_AWAY
from migrations_app.services.recording.ledger import clean
from migrations_app.services.runs import moves_online

logger = logging.getLogger(__name__)

SLOTS_ARE_GONE = (
    "Its slots were removed, so that they hold back nothing on the source. Resume compares what was copied with the "
    "source, and copies again what changed."
)
CLEANED_UP = (State.FAILED, State.CANCELED)


def cleaned_up(ending: Ending, lease: Lease, heartbeat: Heartbeat, *, engines: Engines) -> Ending | None:
    """Clean up on both servers where that is due; return the ending with what is left, None without the lease.

    A migration that stopped before its first step began on a database has made nothing.
    """
    migration = Migration.objects.get(pk=lease.migration_id)
    has_begun = migration.databases.filter(started_at__isnull=False).exists()
    if ending.state not in CLEANED_UP or not moves_online(migration) or not has_begun:
        return ending
    control = Control(fence=lease.fence)
    heartbeat.guard(control)
    try:
        run_clean_up(lease, control, engines=engines)
    except LeaseLost as error:
        logger.warning("run %s of migration %s stopped: %s", lease.fence, lease.migration_id, error)
        return None
    except DATABASE_AWAY:
        logger.exception("run %s of migration %s lost the portal's database", lease.fence, lease.migration_id)
        return None
    except EngineError as error:
        return _with_leftovers(ending, lease, f"{error.message} {error.hint}".strip())
    except Exception:
        reference = secrets.token_hex(4)
        logger.exception("defect %s in the clean-up of migration %s", reference, lease.migration_id)
        return _with_leftovers(ending, lease, f"The portal itself failed (reference {reference}).")
    if ending.state != State.FAILED or not migration.databases.exclude(phase=OnlinePhase.NONE).exists():
        return ending
    return replace(ending, hint=f"{ending.hint} {SLOTS_ARE_GONE}".strip())


def _with_leftovers(ending: Ending, lease: Lease, why: str) -> Ending:
    message = clean(f"Not everything that we made could be removed from the servers. {why}")
    MigrationEvent.objects.create(
        migration_id=lease.migration_id, kind=EventKind.ERROR, level=str(Level.FAILED), message=message
    )
    return replace(ending, hint=f"{ending.hint} {message}".strip())
