"""Outlive a restart of the portal's own database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

T = TypeVar("T")
DATABASE_AWAY = (OperationalError, InterfaceError)


def patiently(work: Callable[[bool], T], *, connection: BaseDatabaseWrapper, seconds: float) -> T:
    """Return what ``work`` returns; reconnect and try again for up to ``seconds`` while the database is away.

    ``work`` is told whether an earlier try may have been committed without our hearing of it.
    """
    deadline = time.monotonic() + seconds
    may_be_done = False
    while True:
        try:
            return work(may_be_done)
        except DATABASE_AWAY as error:
            if connection.in_atomic_block or time.monotonic() >= deadline:
                raise
            logger.warning("the portal's database is away, trying again: %s", error)
            connection.close()
            may_be_done = True
            time.sleep(0.5)
