"""The lease of a run: who drives a migration, until when, and under which fence.

Everything goes by the portal database's clock. A run row is locked before the rows it guards, and a claim takes
the strongest lock on it, so a writer that showed its fence has committed before a successor owns the run.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from migrations_app.engine.errors import LeaseLost
from migrations_app.models import Run

LEASE_SECONDS = 12.0
LEASE = timedelta(seconds=LEASE_SECONDS)

DEMAND_FENCE = "SELECT 1 FROM migrations_app_run WHERE migration_id = %s AND fence = %s FOR KEY SHARE"


@dataclass(frozen=True)
class Lease:
    """The right to drive one migration while ``fence`` is the newest. ``attempt`` counts claims without progress."""

    migration_id: UUID
    fence: int
    attempt: int


def claim(migration_id: UUID) -> Lease | None:
    """Take the lease if it is free or expired, with a higher fence; None if somebody holds it."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    with transaction.atomic():
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        run = Run.objects.select_for_update(skip_locked=True).filter(free, migration_id=migration_id).first()
        if run is None:
            return None
        Run.objects.filter(pk=run.pk).update(
            owner=owner, lease_until=Now() + LEASE, fence=F("fence") + 1, attempts=F("attempts") + 1
        )
    return Lease(migration_id=migration_id, fence=run.fence + 1, attempt=run.attempts + 1)


def extend(lease: Lease) -> bool:
    """Hold the lease for another ``LEASE_SECONDS`` from now; False if it is not ours any more."""
    return bool(_ours(lease).update(lease_until=Now() + LEASE))


def release(lease: Lease, *, is_in_order: bool = True) -> bool:
    """Give the lease back, so that anybody may claim it now; False if it was not ours any more.

    Only a run that ended in good order makes the count of attempts begin anew.
    """
    changes: dict[str, Any] = {"lease_until": None, "owner": ""} | ({"attempts": 0} if is_in_order else {})
    return bool(_ours(lease).update(**changes))


@contextmanager
def fenced(migration_id: UUID, *, fence: int) -> Iterator[None]:
    """Run a transaction that commits only while ``fence`` is the newest. Raises ``LeaseLost``."""
    with transaction.atomic():
        demand_fence(migration_id, fence=fence)
        yield


def note_progress(migration_id: UUID) -> None:
    """The run got further, so its earlier abrupt ends do not count any more."""
    Run.objects.filter(migration_id=migration_id, attempts__gt=1).update(attempts=1)


def demand_fence(migration_id: UUID, *, fence: int) -> None:
    """Within a transaction, keep the run from changing hands until its end. Raises ``LeaseLost``."""
    with connection.cursor() as cursor:
        cursor.execute(DEMAND_FENCE, [migration_id, fence])
        if cursor.fetchone() is None:
            raise lease_lost()


def lease_lost() -> LeaseLost:
    """Return the reason to stop, in words."""
    return LeaseLost("Another worker took this migration over.")


def _ours(lease: Lease) -> QuerySet[Run]:
    return Run.objects.filter(migration_id=lease.migration_id, fence=lease.fence)
