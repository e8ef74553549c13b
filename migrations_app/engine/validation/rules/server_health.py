"""Rules about the health of both servers: checksums, the age of transactions, clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import SeenServer, ServerContext
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.wording import counted, listed, statement

# The server refuses new transactions at about 2.1 billion and warns 40 million before:
# https://www.postgresql.org/docs/18/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
OLD_AGE = 1_500_000_000
MAX_SKEW_SECONDS = 5.0
CLOCK_SAMPLES = 5

CHECKSUMS = code(
    "PM1070",
    Level.WARNING,
    "Pages with a wrong checksum",
    why="A damaged page cannot be read: the copy of its table ends with an error, and rows may be lost for good.",
    side=FindingSide.BOTH,
)
OLD_TRANSACTIONS = code(
    "PM1071",
    Level.WARNING,
    "Transaction ids are nearly used up",
    why="At about 2.1 billion the server refuses every write to prevent the loss of data; the snapshot of a long "
    "migration holds back the vacuum that would prevent it.",
    side=FindingSide.BOTH,
)
CLOCK_SKEW = code(
    "PM1072",
    Level.WARNING,
    "Clocks differ",
    why="Times of events, waits and lag are compared between the portal and the servers; a certificate may seem "
    "expired or not yet valid, and rows that take now() for their default change their order after the move.",
    side=FindingSide.BOTH,
)


@dataclass(frozen=True)
class ChecksumRow:
    """A row of queries/validation_checksum_failures.sql."""

    database: str
    failures: int
    last_at: str | None


@server_rule(CHECKSUMS)
def checksum_failures(context: ServerContext) -> Iterator[Finding]:
    """Neither server has read a page with a wrong checksum."""
    for seen in (context.source, context.target):
        with seen.connected() as connection:
            rows = fetch(connection, "validation_checksum_failures", ChecksumRow)
        if rows:
            yield CHECKSUMS.found(
                seen.name,
                saw="Failures were counted in "
                + listed(f"{row.database} ({row.failures:,}, last at {row.last_at})" for row in rows)
                + ".",
                fix="Look in the server's log for 'page verification failed' to find the tables, look at the disk, and "
                "restore these tables from a backup. Check with pg_amcheck. When all is mended reset the count by "
                "the script, in each of these databases.",
                fix_sql="SELECT pg_stat_reset();",
                script_use=ScriptUse.CHOICE,
                side=seen.side,
            )


@dataclass(frozen=True)
class AgeRow:
    """A row of queries/validation_ages.sql."""

    database: str
    transactions: int
    multixacts: int
    allows_connections: bool


@server_rule(OLD_TRANSACTIONS)
def transaction_ages(context: ServerContext) -> Iterator[Finding]:
    """No database of either server has used up three quarters of its transaction or multixact ids."""
    for seen in (context.source, context.target):
        with seen.connected() as connection:
            rows = fetch(connection, "validation_ages", AgeRow)
        old = [row for row in rows if max(row.transactions, row.multixacts) > OLD_AGE]
        if old:
            yield _old(seen, old)


def _old(seen: SeenServer, rows: list[AgeRow]) -> Finding:
    ages = listed(f"{row.database} ({row.transactions:,} transactions, {row.multixacts:,} multixacts)" for row in rows)
    return OLD_TRANSACTIONS.found(
        seen.name,
        saw=f"The oldest ids are this many behind: {ages}.",
        fix="End what holds vacuum back: old transactions (pg_stat_activity), prepared transactions "
        "(pg_prepared_xacts) "
        "and unused replication slots (pg_replication_slots). Then run the script in psql in each of "
        f"{counted(len(rows), 'database')} as a superuser or the owner, and wait until it has ended.",
        fix_sql="\n".join(_vacuum(row, major=seen.facts.major) for row in rows),
        script_use=ScriptUse.CHOICE,
        side=seen.side,
    )


def _vacuum(row: AgeRow, *, major: int) -> str:
    closed = statement("ALTER DATABASE {} ALLOW_CONNECTIONS true;", row.database)
    first = "" if row.allows_connections else f" (first: {closed} afterwards the same with false)"
    return f"-- database {row.database}{first}\nVACUUM (FREEZE{', INDEX_CLEANUP off' if major >= 12 else ''});"


@dataclass(frozen=True)
class _Clock:
    """A row of queries/validation_clock.sql."""

    epoch: float


@dataclass(frozen=True)
class ClockSample:
    """One reading of a server's clock between two readings of the portal's, all in seconds since 1970."""

    before: float
    server: float
    after: float

    @property
    def round_trip_seconds(self) -> float:
        """How long the question took."""
        return self.after - self.before

    @property
    def ahead_seconds(self) -> float:
        """How far the server is ahead of the portal, at least: what the way there and back may explain is taken off."""
        if self.server > self.after:
            return self.server - self.after
        return min(self.server - self.before, 0.0)


def read_clock(connection: Connection) -> ClockSample:
    """Return the reading with the shortest way there and back."""
    samples = []
    for _ in range(CLOCK_SAMPLES):
        before = time.time()
        epoch = fetch_one(connection, "validation_clock", _Clock).epoch
        samples.append(ClockSample(before, epoch, time.time()))
    return min(samples, key=lambda sample: sample.round_trip_seconds)


@server_rule(CLOCK_SKEW)
def clocks(context: ServerContext) -> Iterator[Finding]:
    """The clocks of the portal, the source and the target agree within a few seconds."""
    for seen in (context.source, context.target):
        with seen.connected() as connection:
            seconds = read_clock(connection).ahead_seconds
        if abs(seconds) > MAX_SKEW_SECONDS:
            yield CLOCK_SKEW.found(
                seen.name,
                saw=f"Its clock is {abs(seconds):,.1f} s {'ahead of' if seconds > 0 else 'behind'} the portal's.",
                fix="Let all three machines take their time from the same servers: look with timedatectl or chronyc "
                "tracking. A managed service keeps its clock right, so look at the portal's machine first.",
                side=seen.side,
            )
