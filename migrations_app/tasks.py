"""Tasks that django-q2 runs, by their dotted paths: each takes an id and calls one service.

Keep names and parameters: tasks that are queued while the portal is upgraded carry them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connections

from migrations_app.services.conductor import conduct
from migrations_app.services.liveness import ProcessKind, beat
from migrations_app.services.reconcile import reconcile


def conduct_task(migration_id: str, **extra: Any) -> str:
    """Drive one migration as far as it goes."""
    try:
        return conduct(UUID(migration_id))
    finally:
        connections.close_all()


def reconcile_task(**extra: Any) -> int:
    """Ring for what nobody works on."""
    return reconcile()


def answer_task(**extra: Any) -> None:
    """Prove that a task goes through the queue to a worker."""
    beat(ProcessKind.WORKER)
