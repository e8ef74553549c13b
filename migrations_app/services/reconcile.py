"""Find what nobody works on, and ring for it. Recovery comes from here, never from the queue's own repetition."""

from __future__ import annotations

import logging
from datetime import timedelta

from migrations_app.services.liveness import forget_the_dead
from migrations_app.services.runs import migrations_to_ring, ring

logger = logging.getLogger(__name__)

RING_AGAIN_AFTER = timedelta(seconds=5)


def reconcile() -> int:
    """Ring for every migration that is due and that nobody drives. Returns the number of doorbells rung."""
    forget_the_dead()
    rung = [migration_id for migration_id in migrations_to_ring(not_rung_for=RING_AGAIN_AFTER) if ring(migration_id)]
    for migration_id in rung:
        logger.info("rang for migration %s", migration_id)
    return len(rung)
