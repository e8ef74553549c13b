"""How long and how large, as a range, with what it rests on."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from migrations_app.engine.spec import MigrationOption, VerificationLevel
from migrations_app.models import Migration
from portal.templatetags.portal_format import bytes_in_words, duration
from portal.wizard.steps import chosen, moving_bytes, moving_tables

MIB = 1024**2
# Whole migrations, indexes included: slow managed storage over a VPN, and two good servers side by side.
SLOW_BYTES_PER_SECOND, FAST_BYTES_PER_SECOND = 15 * MIB, 120 * MIB
# Each table costs round trips and catalog writes, however empty it is.
SLOW_TABLE_SECONDS, FAST_TABLE_SECONDS = 0.25, 0.02
FULL_VERIFICATION_SHARE = 0.4
SPACE_FACTOR = 1.25
START_SECONDS = 10
JOBS_MAX_SUGGESTED = 8
CONNECTIONS_KEPT_FREE = 6


@dataclass(frozen=True)
class Estimate:
    """A range of seconds, bytes needed on the target, and the reasons."""

    fast_seconds: float
    slow_seconds: float
    space_bytes: int
    free_bytes: int | None
    free_is_stated: bool
    bytes_total: int
    tables_total: int

    @property
    def time_words(self) -> str:
        """The range, rounded as roughly as it is known."""
        return range_in_words(self.fast_seconds, self.slow_seconds)

    @property
    def fits(self) -> bool | None:
        """Whether it fits the target; None where nobody knows its free space."""
        return None if self.free_bytes is None else self.space_bytes <= self.free_bytes


def estimate(migration: Migration) -> Estimate:
    """Return the estimate for what is chosen now; nothing is measured for it."""
    rows = chosen(migration)
    total, tables = sum(moving_bytes(row) for row in rows), sum(moving_tables(row) for row in rows)
    measured = migration.target.facts.get("free_bytes")
    stated = migration.target_free_bytes
    if migration.option == MigrationOption.VALIDATE:
        fast, slow = 3.0 + len(rows) * 0.5, 20.0 + len(rows) * 5 + tables * 0.01
    else:
        share = 1 + (FULL_VERIFICATION_SHARE if migration.verification == VerificationLevel.FULL else 0)
        fast = START_SECONDS + share * total / FAST_BYTES_PER_SECOND + tables * FAST_TABLE_SECONDS
        slow = 3 * START_SECONDS + share * total / SLOW_BYTES_PER_SECOND + tables * SLOW_TABLE_SECONDS
    return Estimate(
        fast_seconds=fast,
        slow_seconds=slow,
        space_bytes=int(total * SPACE_FACTOR),
        free_bytes=stated if stated is not None else measured,
        free_is_stated=stated is not None,
        bytes_total=total,
        tables_total=tables,
    )


def basis_of(migration: Migration) -> str:
    """Say what the time rests on."""
    if migration.option == MigrationOption.VALIDATE:
        return "Validation only reads catalogs; no data moves."
    slow, fast = bytes_in_words(SLOW_BYTES_PER_SECOND), bytes_in_words(FAST_BYTES_PER_SECOND)
    verification = ", and 40 % more for full verification" if migration.verification == VerificationLevel.FULL else ""
    return (
        f"Assumes {slow}/s to {fast}/s with indexes and {FAST_TABLE_SECONDS * 1000:.0f} to "
        f"{SLOW_TABLE_SECONDS * 1000:.0f} ms per table{verification}. Nothing was measured between these two servers; "
        "the migration page shows the real rate."
    )


def range_in_words(fast_seconds: float, slow_seconds: float) -> str:
    """Return ``about 35–50 min`` or ``about 50 s to 3 min``."""
    fast, slow = _rounded(fast_seconds), _rounded(slow_seconds)
    if fast == slow:
        return f"about {duration(slow)}"
    return f"about {duration(fast)} to {duration(slow)}"


def _rounded(seconds: float) -> float:
    step = 5 if seconds < 60 else 60 if seconds < 3600 else 900 if seconds < 86400 else 3600
    return math.ceil(seconds / step) * step


def suggested_jobs(migration: Migration) -> int:
    """Return how many tables to copy at once: two per core of this machine, within the servers' free connections.

    A table takes one connection on each server; some are kept free for the rest of the migration.
    """
    free = [facts["free_connections"] for facts in (migration.source.facts, migration.target.facts) if facts]
    by_connections = min(free, default=JOBS_MAX_SUGGESTED + CONNECTIONS_KEPT_FREE) - CONNECTIONS_KEPT_FREE
    return max(1, min(JOBS_MAX_SUGGESTED, 2 * (os.cpu_count() or 2), by_connections))


def jobs_basis(migration: Migration) -> str:
    """Say why that many."""
    source, target = migration.source.facts, migration.target.facts
    cores = os.cpu_count() or 1
    words = f"Suggested: {suggested_jobs(migration)}, for {cores} core{'s' if cores > 1 else ''} here"
    if source and target:
        free = f"{source['free_connections']} free connections on the source"
        words += f", {free} and {target['free_connections']} on the target"
    return f"{words}. Each takes one connection on both servers."
