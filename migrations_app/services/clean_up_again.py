"""Clean up again by hand, after the end of an online migration; its run is a lease like any other."""

from __future__ import annotations

import logging
import secrets
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost
from migrations_app.engine.replication.clean_up import Swept
from migrations_app.engine.replication.leftovers import STATEMENTS, Leftover
from migrations_app.lifecycle import StaleTransition
from migrations_app.models import (
    TERMINAL_STATES,
    CleanUp,
    CleanUpItem,
    EventKind,
    Migration,
    MigrationEndpoint,
    MigrationEvent,
    State,
)
from migrations_app.services.consent import Person
from migrations_app.services.credentials import forget_password, seal_password
from migrations_app.services.engines import run_clean_up_again
from migrations_app.services.heartbeat import Heartbeat
from migrations_app.services.lease import Lease, claim, fenced, release
from migrations_app.services.patience import DATABASE_AWAY
from migrations_app.services.recording.ledger import clean
from migrations_app.services.runs import ActionRefused, moves_online, passwords_forgotten, ring
from migrations_app.worker.draining import is_draining

logger = logging.getLogger(__name__)

ATTEMPTS = 5
NOTHING_LEFT = "Nothing that the portal made is left on either server."
KINDS = tuple(STATEMENTS)


def may_clean_up(migration: Migration) -> bool:
    """Tell whether something can have been made on the servers, and nobody works there any more."""
    has_begun = moves_online(migration) and migration.databases.filter(started_at__isnull=False).exists()
    return migration.state in TERMINAL_STATES and has_begun


def request_clean_up(
    migration_id: UUID, *, by: Person, source_password: str = "", target_password: str = ""
) -> CleanUp:
    """Ask a worker to remove what the migration made on both servers. Raises ``ActionRefused``.

    Asking while it is asked for already is asking once. Passwords are needed where they were erased.
    """
    with transaction.atomic():
        rows = Migration.objects.select_for_update(of=("self",)).select_related("source", "target")
        migration = rows.get(pk=migration_id)
        if not may_clean_up(migration):
            label = State(migration.state).label.lower()
            raise ActionRefused(
                f"{migration.name} cannot be cleaned up: it is {label}, or made nothing on the servers.",
                hint="Only an online migration that began and has ended can be.",
            )
        if (known := migration.clean_ups.filter(ended_at__isnull=True).first()) is not None:
            return known
        for row, password in ((migration.source, source_password), (migration.target, target_password)):
            _replace_password(row, password)
        if missing := passwords_forgotten(migration):
            raise ActionRefused(
                f"The password of the {' and of the '.join(missing)} was erased when {migration.name} ended.",
                hint="Give it again; it is erased after the clean-up.",
            )
        wanted = CleanUp.objects.create(migration=migration, asked_by=by.user, asked_from=by.name, address=by.address)
        who = f" ({by.name}, on the command line)" if by.name else ""
        _write_event(migration, f"Asked to clean up both servers again.{who}", by=by)
        ring(migration_id)
    return wanted


def conduct_clean_ups(migration_id: UUID) -> str | None:
    """Do the clean-up that was asked for of a migration that nobody drives; None when there is nothing to do."""
    wanted = CleanUp.objects.filter(migration_id=migration_id, ended_at__isnull=True).first()
    if wanted is None or is_draining() or not may_clean_up(wanted.migration):
        return None
    lease = claim(migration_id)
    if lease is None:
        return None
    is_in_order = False
    try:
        with Heartbeat(lease, control=(control := Control(fence=lease.fence))):
            said = _run(wanted, lease, control)
        is_in_order = True
        return said
    except (LeaseLost, StaleTransition, *DATABASE_AWAY) as error:
        logger.warning("the clean-up of migration %s stopped: %s", migration_id, error)
        return "the clean-up stopped; another worker goes on"
    finally:
        release(lease, is_in_order=is_in_order)


def _run(wanted: CleanUp, lease: Lease, control: Control) -> str:
    if lease.attempt > ATTEMPTS:
        return _end(wanted, lease, [], f"Not cleaned up: its worker ended abruptly {ATTEMPTS} times.")
    try:
        items = [_item(wanted, *found) for found in _found_by(lease, control)]
        return _end(wanted, lease, items, "")
    except LeaseLost:
        raise
    except EngineError as error:
        return _end(wanted, lease, [], f"Not cleaned up: {error.message} {error.hint}".strip())
    except DATABASE_AWAY:
        raise
    except Exception:
        reference = secrets.token_hex(4)
        logger.exception("defect %s in the clean-up of migration %s", reference, lease.migration_id)
        return _end(wanted, lease, [], f"Not cleaned up: the portal itself failed (reference {reference}).")


def _found_by(lease: Lease, control: Control) -> list[tuple[str, Swept, str]]:
    """Return for each database and side what was found of each kind."""
    try:
        swept = run_clean_up_again(lease, control)
    finally:
        if not connection.in_atomic_block:
            connection.close()
    return [(database.id, found, kind) for database, found in swept for kind in _kinds(found)]


def _kinds(found: Swept) -> tuple[str, ...]:
    """Every kind that was looked for; a server that could not be looked at has a kind of its own."""
    others = sorted({each.kind for each in found.after} - set(KINDS))
    return tuple(others) or KINDS


def _item(wanted: CleanUp, database_id: str, found: Swept, kind: str) -> CleanUpItem:
    before, after = _of(found.before, kind), _of(found.after, kind)
    left = _of(found.left, kind)
    return CleanUpItem(
        clean_up=wanted,
        database_id=UUID(database_id),
        side=found.side.value,
        server=clean(found.server),
        kind=kind,
        removed=[each.name for each in before if each not in after],
        kept=[each.name for each in _of(found.kept, kind)],
        left=[each.name for each in left],
        statements="\n".join(each.statement for each in left),
        server_message=clean("\n".join(each.server_message for each in left if each.server_message)),
    )


def _of(found: tuple[Leftover, ...], kind: str) -> list[Leftover]:
    return [each for each in found if each.kind == kind]


def _end(wanted: CleanUp, lease: Lease, items: list[CleanUpItem], problem: str) -> str:
    left = [f"{item.kind} {name} on {item.server}" for item in items for name in item.left]
    message = problem or (f"Still there: {'; '.join(left[:10])}." if left else NOTHING_LEFT)
    with fenced(lease.migration_id, fence=lease.fence):
        CleanUpItem.objects.bulk_create(items)
        CleanUp.objects.filter(pk=wanted.pk).update(
            ended_at=Now(), message=clean(message), nothing_is_left=None if problem else not left
        )
        _write_event(wanted.migration, f"Cleaned up again. {message}" if not problem else message, by=None)
        if wanted.migration.forget_passwords:
            forget_password(wanted.migration.source)
            forget_password(wanted.migration.target)
    return message


def _replace_password(row: MigrationEndpoint, password: str) -> None:
    if password:
        seal_password(row, password)
        row.save(update_fields=["sealed_password"])


def _write_event(migration: Migration, message: str, *, by: Person | None) -> None:
    MigrationEvent.objects.create(
        migration=migration,
        kind=EventKind.ACTION if by else EventKind.NOTE,
        message=clean(message),
        actor=by.user if by else None,
        address=by.address if by else None,
    )
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1)
