"""What a poll compares besides revisions: the clock, while something runs, and whether workers answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone

from migrations_app.services.liveness import workers_seen_seconds_ago

WORKERS_SILENT_AFTER_SECONDS = 30  # they are asked every 10 s
REFRESH_EVERY_SECONDS = 10


@dataclass(frozen=True)
class Workers:
    """When a worker last answered; None if none ever did."""

    seen_seconds_ago: float | None

    @property
    def are_silent(self) -> bool:
        """Longer than workers that live need for an answer."""
        return self.seen_seconds_ago is None or self.seen_seconds_ago > WORKERS_SILENT_AFTER_SECONDS

    @property
    def seen_at(self) -> datetime | None:
        """The moment of the last answer."""
        if self.seen_seconds_ago is None:
            return None
        return timezone.now() - timedelta(seconds=self.seen_seconds_ago)

    @property
    def token(self) -> str:
        """A word for the address of a poll."""
        return "silent" if self.are_silent else "alive"


def workers_of(request: HttpRequest) -> Workers:
    """Return when workers last answered; one query for a request, however often it is asked."""
    known: Workers | None = getattr(request, "_portal_workers", None)
    if known is None:
        known = Workers(workers_seen_seconds_ago())
        request._portal_workers = known  # type: ignore[attr-defined]
    return known


def clock_token() -> str:
    """A word that changes every 10 s: what hangs writes no row, and its page still has to say for how long."""
    return str(int(time.time() // REFRESH_EVERY_SECONDS))


def workers_context(request: HttpRequest, *, known: str) -> dict[str, object]:
    """The bar's variables for the answer to a poll; sent only where the browser knows something else."""
    workers = workers_of(request)
    return {"portal_workers": workers, "workers_changed": known != workers.token}
