"""Rules about the network: how long a question takes, how fast data comes, and how long the migration will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres import Connection, Error, errors
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import SeenServer, ServerContext
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.wording import counted, size

SLOW_MILLISECONDS = 20.0
SAMPLE_BYTES = 4 * 1024**2
SAMPLE_SECONDS = 3.0
SLOW_BYTES_PER_SECOND = 2 * 1024**2
# Measured on a machine of two cores: 2.1 GB of tables and indexes in 32 s with two jobs.
JOB_BYTES_PER_SECOND = 32 * 1024**2
ROUND_TRIPS_PER_DATABASE = 200
# Rows of 8 kB, made by the server from numbers: no table is read, and making them costs next to nothing.
SAMPLE = f"COPY (SELECT repeat(md5(n::text), 256) FROM generate_series(1, {SAMPLE_BYTES // 8192}) n) TO STDOUT"  # noqa: S608

SLOW_ANSWERS = code(
    "PM1080",
    Level.WARNING,
    "Server answers slowly",
    why="Every small table and every object of the schema costs some round trips; many of them take longer than the "
    "data.",
    side=FindingSide.BOTH,
)
THROUGHPUT = code(
    "PM1081",
    Level.WARNING,
    "Network is slow",
    why="All data passes through the portal: the slower of the two links bounds the copy.",
    side=FindingSide.BOTH,
)
DURATION = code(
    "PM1082",
    Level.INFO,
    "Expected duration",
    why="Applications are not to write to the source from the beginning of an offline migration to its end.",
    side=FindingSide.NONE,
)


@server_rule(SLOW_ANSWERS)
def latency(context: ServerContext) -> Iterator[Finding]:
    """A round trip from the portal to each server takes at most 20 ms."""
    for seen in (context.source, context.target):
        if seen.facts.latency_ms > SLOW_MILLISECONDS:
            yield SLOW_ANSWERS.found(
                seen.name,
                saw=f"A round trip takes {seen.facts.latency_ms:,.0f} ms (the median of a few).",
                fix="Run the portal near the servers, best in the region and network of the target; or take more jobs, "
                "so that more tables wait at the same time.",
                side=seen.side,
            )


@dataclass(frozen=True)
class Sample:
    """What a short copy brought."""

    count: int
    seconds: float

    @property
    def bytes_per_second(self) -> float:
        """The rate."""
        return self.count / max(self.seconds, 1e-6)


def measure(connection: Connection) -> Sample:
    """Return how fast the server sends 4 MB; nothing is written anywhere.

    A busy machine makes a link look slow, so what looks slow is measured again, in 3 s altogether at most.
    """
    ends_at = time.monotonic() + SAMPLE_SECONDS
    best = _copy(connection, seconds=SAMPLE_SECONDS)
    while best.count and best.bytes_per_second < SLOW_BYTES_PER_SECOND and time.monotonic() < ends_at - 0.1:
        again = _copy(connection, seconds=ends_at - time.monotonic())
        best = max(best, again, key=lambda sample: sample.bytes_per_second)
    return best


def _copy(connection: Connection, *, seconds: float) -> Sample:
    connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(int(seconds * 1000)),))
    count = 0
    began_at = time.monotonic()
    try:
        with connection.cursor() as cursor, cursor.copy(SAMPLE) as copy:
            for block in copy:
                count += len(block)
    except errors.QueryCanceled:
        return Sample(count, time.monotonic() - began_at)
    except Error:
        if connection.broken:
            raise
        return Sample(0, seconds)
    return Sample(count, time.monotonic() - began_at)


def _samples(context: ServerContext) -> dict[str, tuple[SeenServer, Sample]]:
    samples = {}
    for seen in (context.source, context.target):
        with seen.connected() as connection:
            samples[seen.name] = seen, measure(connection)
    return samples


@server_rule(THROUGHPUT, DURATION)
def throughput_and_duration(context: ServerContext) -> Iterator[Finding]:
    """Data comes from both servers at 2 MB/s or more, measured by a sample; tells how long the migration may take."""
    samples = _samples(context)
    for name, (seen, sample) in samples.items():
        if not sample.count:
            yield THROUGHPUT.unknown(
                name,
                saw="The server refused to send a sample of made-up data.",
                fix="Nothing has to be done; the expected duration is left out.",
                side=seen.side,
            )
        elif sample.bytes_per_second < SLOW_BYTES_PER_SECOND:
            yield _slow(seen, sample)
    if all(sample.count for _, sample in samples.values()):
        yield from _duration(context, [sample for _, sample in samples.values()])


def _slow(seen: SeenServer, sample: Sample) -> Finding:
    return THROUGHPUT.found(
        seen.name,
        saw=f"{size(sample.count)} came in {sample.seconds:.1f} s over one connection: "
        f"{size(int(sample.bytes_per_second))} a second.",
        fix="Run the portal near the servers, or over a faster link; more jobs help where one connection is the limit.",
        side=seen.side,
    )


def _duration(context: ServerContext, samples: list[Sample]) -> Iterator[Finding]:
    moving = [facts for _, facts in context.source_databases]
    total = sum(facts.size_bytes or 0 for facts in moving)
    if not total or any(facts.size_bytes is None for facts in moving):
        return
    jobs = context.spec.options.jobs
    link = min(sample.bytes_per_second for sample in samples)
    rate = min(link, JOB_BYTES_PER_SECOND) * jobs
    trips = ROUND_TRIPS_PER_DATABASE * len(moving)
    answer_ms = max(context.source.facts.latency_ms, context.target.facts.latency_ms)
    seconds = total / rate + trips * answer_ms / 1000
    yield DURATION.found(
        counted(len(moving), "database"),
        saw=f"About {_time(seconds)} for {size(total)} with {counted(jobs, 'job')}.",
        fix="Plan for up to three times that. It is the size on the source, divided by what "
        f"{counted(jobs, 'connection')} carry at {size(int(min(link, JOB_BYTES_PER_SECOND)))} a second each ("
        + (
            "the slower link as measured"
            if link < JOB_BYTES_PER_SECOND
            else "what a job wrote on a machine of two cores"
        )
        + f"), and {trips:,} round trips of {answer_ms:.1f} ms. Disks, processors, bloat and large indexes change it; "
        "a rehearsal tells it exactly.",
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(ceil(seconds), 1)} s"
    minutes = ceil(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
