"""Rules about the WAL that a slot keeps on the source while the tables are copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.online import online_server_rule
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.replication_settings import read_replication_settings
from migrations_app.engine.validation.wording import size

MEASURED_SECONDS = 2.0
# What a copy moves at least, and what it takes whatever the size; both are guesses to be on the safe side.
COPY_BYTES_PER_SECOND = 20 * 1024**2
SHORTEST_COPY_SECONDS = 600.0
SAFETY = 3
WORTH_TELLING_BYTES = 1024**3

KEEP_SIZE = code(
    "PM3013",
    Level.WARNING,
    "max_slot_wal_keep_size may end the migration",
    why="When a slot would keep more WAL than this, the source throws the WAL away and the slot is lost: the copy and "
    "replication must begin again.",
    side=FindingSide.SOURCE,
)
KEPT_WAL = code(
    "PM3014",
    Level.INFO,
    "WAL that the source keeps during the copy",
    why="A slot keeps all WAL from the start of the copy until it was applied; the source stops when its disk is full.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class WalRow:
    """The row of queries/online_wal.sql; ``counted_…`` are None before PostgreSQL 14."""

    position_bytes: int
    at_seconds: float
    counted_bytes: int | None
    counted_seconds: float | None


@dataclass(frozen=True)
class WalRate:
    """Bytes of WAL a second: now, and on average since the statistics were reset (None where that is not counted)."""

    now: float
    average: float | None

    @property
    def lowest(self) -> float:
        """What both agree on."""
        return min(self.now, self.now if self.average is None else self.average)

    @property
    def highest(self) -> float:
        """What it may be."""
        return max(self.now, self.average or 0.0)


@online_server_rule(KEEP_SIZE, KEPT_WAL)
def wal_during_the_copy(context: ServerContext) -> Iterator[Finding]:
    """The source may keep the WAL that is written while the databases are copied, at the rate of now."""
    if context.source.facts.settings.in_recovery:
        return
    with context.source.connected() as connection:
        limit = read_replication_settings(connection).bytes("max_slot_wal_keep_size")
        before = fetch_one(connection, "online_wal", WalRow)
        connection.execute("SELECT pg_sleep(%s)", [MEASURED_SECONDS])
        rate = _rate(before, fetch_one(connection, "online_wal", WalRow))
    copy_seconds = _copy_seconds(context)
    if limit is not None and limit >= 0 and limit < rate.highest * copy_seconds * SAFETY:
        yield _too_small(context, rate, copy_seconds=copy_seconds, limit=limit)
    elif rate.highest * copy_seconds >= WORTH_TELLING_BYTES:
        yield KEPT_WAL.found(
            f"Source {context.source.facts.label}",
            saw=_words(rate, copy_seconds=copy_seconds),
            fix="Make sure that so much is free on the disk of the source's WAL, and watch it while the tables are "
            "copied.",
        )


def _rate(before: WalRow, after: WalRow) -> WalRate:
    now = (after.position_bytes - before.position_bytes) / max(after.at_seconds - before.at_seconds, 0.001)
    if not after.counted_seconds or after.counted_bytes is None:
        return WalRate(now, None)
    return WalRate(now, after.counted_bytes / after.counted_seconds)


def _copy_seconds(context: ServerContext) -> float:
    moving = sum(facts.size_bytes or 0 for _, facts in context.source_databases)
    return max(moving / COPY_BYTES_PER_SECOND, SHORTEST_COPY_SECONDS)


def _too_small(context: ServerContext, rate: WalRate, *, copy_seconds: float, limit: int) -> Finding:
    fix = set_parameters(context.source, {"max_slot_wal_keep_size": "-1"}, then="Set it back after the cutover.")
    return KEEP_SIZE.found(
        f"Source {context.source.facts.label}",
        saw=f"max_slot_wal_keep_size is {size(limit)}. {_words(rate, copy_seconds=copy_seconds)}",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
        level=Level.FAILED if limit < rate.lowest * copy_seconds else Level.WARNING,
    )


def _words(rate: WalRate, *, copy_seconds: float) -> str:
    average = f" ({size(int(rate.average))} on average)" if rate.average is not None else ""
    return (
        f"The source writes {size(int(rate.now))} of WAL a second now{average}; a copy of about "
        f"{copy_seconds / 60:,.0f} minutes makes up to {size(int(rate.highest * copy_seconds))}."
    )
