"""Compare how fast changes are applied: ours in both ways, a subscription made by hand, and pgcopydb's follow.

``./run benchmark --online``, or ``python -m benchmarks.replication``. Each workload is written on the source while
nobody follows it; then each engine in its turn applies it to a database of its own that was equal before, and is
compared with the source in the end. A workload "applied meanwhile" is written for each engine while it applies. The
time goes from the start of the apply to the last change that is visible on the target. Source and targets are on this
machine, so they share its processors. pgcopydb is the one on PATH; it takes part in the first round only and has a
time limit: what it applied by then is counted on the target.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.replication_engines import DEFAULT, LABELS, Engine, make_engine
from benchmarks.replication_results import Run, print_table
from benchmarks.replication_workloads import (
    SOURCE,
    Workload,
    copy_source,
    count,
    drop_idle_slots,
    facts,
    make_source,
    workloads,
)
from benchmarks.servers import BenchServer, two_servers
from benchmarks.tools import CHECKOUT
from migrations_app.engine.postgres import Connection

PATIENCE_SECONDS = 900.0
LOOK_EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class _Place:
    """Where everything happens."""

    source: BenchServer
    target: BenchServer
    folder: Path
    program: str
    plugin: str
    limit_seconds: float

    def engine(self, name: str) -> Engine:
        """Return an engine for one backlog."""
        place = {"source": self.source, "target": self.target}
        return make_engine(name, **place, folder=self.folder, program=self.program, plugin=self.plugin)


@dataclass(frozen=True)
class _Written:
    """What was written: how many changes were counted before, its last row, and up to where in the log it goes."""

    before: int
    marker: int
    end_lsn: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit code 1 when an engine of ours or the native one lost something."""
    options = _parser().parse_args(arguments)
    console = Console(width=max(190, Console().width), highlight=False)
    engines = _engines(options, console)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in workloads(options.factor) if not options.only or each.name in options.only]
    runs: list[Run] = []
    began_at, load = time.monotonic(), os.getloadavg()[0]
    with two_servers(folder) as (source, target):
        place = _Place(source, target, folder, options.pgcopydb or "", options.plugin, options.limit)
        make_source(source, options.factor)
        for number in range(options.rounds):
            for workload in chosen:
                if number == 0 or not workload.once:
                    present = [name for name in engines if number == 0 or name != "pgcopydb"]
                    runs += _told_round(workload, present, place, number=number, console=console)
    print_table(runs, chosen, console)
    console.print(f"Load of the machine before: {load:.2f}. Took {(time.monotonic() - began_at) / 60:.1f} minutes.")
    if options.json:
        Path(options.json).write_text(json.dumps([run.as_dict() for run in runs], indent=2))
    return 0 if all(run.equal for run in runs if run.engine != "pgcopydb") else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./run benchmark --online", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [workload.name for workload in workloads(1)]
    parser.add_argument("--factor", type=float, default=1.0, help="make the workloads so many times as large")
    parser.add_argument("--rounds", type=int, default=2, help="how often each workload is measured (default 2)")
    parser.add_argument("--only", action="append", default=[], choices=names, help="only this workload; repeatable")
    parser.add_argument(
        "--engine", action="append", default=[], choices=list(LABELS), help="only this engine; repeatable"
    )
    parser.add_argument("--pgcopydb", metavar="PATH", default=shutil.which("pgcopydb"), help="the one to compare with")
    parser.add_argument("--plugin", default="test_decoding", help="pgcopydb's output plugin (default: its fastest)")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds that pgcopydb has for each (default 30)")
    parser.add_argument("--folder", default=str(CHECKOUT / "var" / "benchmark" / "replication"))
    parser.add_argument("--json", metavar="FILE", help="write every run to this file as well")
    return parser


def _engines(options: argparse.Namespace, console: Console) -> list[str]:
    wanted = options.engine or list(DEFAULT)
    if "pgcopydb" in wanted and not options.pgcopydb:
        console.print("There is no pgcopydb on PATH: it is left out. Name one with --pgcopydb.")
        return [name for name in wanted if name != "pgcopydb"]
    return wanted


def _told_round(
    workload: Workload, engines: Sequence[str], place: _Place, *, number: int, console: Console
) -> list[Run]:
    console.print(f"Round {number + 1}, {workload.label} …", end=" ")
    ordered = engines if number % 2 == 0 else engines[::-1]
    if workload.live:
        runs = [run for name in ordered for run in _round(workload, [name], place)]
    else:
        runs = _round(workload, ordered, place)
    console.print(", ".join(f"{run.engine} {run.seconds:.1f} s{'' if run.equal else ' NOT EQUAL'}" for run in runs))
    return runs


def _round(workload: Workload, names: Sequence[str], place: _Place) -> list[Run]:
    """Copy the source for each engine, write once, and let each apply it."""
    with place.source.server.connected(SOURCE, read_only=False) as connection:
        drop_idle_slots(connection)
    engines = {name: place.engine(name) for name in names}
    copy_source(place.source, place.target, ["bench_" + name.replace("-", "_") for name in names])
    for engine in engines.values():
        engine.prepare()
    if workload.live:
        return [_followed(name, engine, workload, place) for name, engine in engines.items()]
    written = _write(workload, place)
    return [_caught_up(name, engine, workload, place, written) for name, engine in engines.items()]


def _write(workload: Workload, place: _Place) -> _Written:
    with place.source.server.connected(SOURCE, read_only=False) as connection:
        connection.execute("SET search_path = public")
        before = count(connection, workload.counted)
        workload.write(place.source)
        marker = count(connection, "INSERT INTO marker SELECT count(*) + 1 FROM marker RETURNING id")
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        return _Written(before, marker, str(row[0]) if row else "")


class _Clock:
    """The time of one run, and the processor time of both servers in it."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._cpu = self._cpu_now()
        self._began_at = time.monotonic()

    def _cpu_now(self) -> tuple[float, float]:
        return self._place.source.cpu_seconds(), self._place.target.cpu_seconds()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_at

    def cpu_seconds(self) -> tuple[float, float]:
        """Of source and target since it began."""
        now = self._cpu_now()
        return now[0] - self._cpu[0], now[1] - self._cpu[1]


def _caught_up(name: str, engine: Engine, workload: Workload, place: _Place, written: _Written) -> Run:
    with _ended_after_error(engine):
        engine.stand_by()
        clock = _Clock(place)
        engine.go(written.end_lsn)
        return _measured(name, engine, workload, place, written, clock, lag_from=0.0)


def _followed(name: str, engine: Engine, workload: Workload, place: _Place) -> Run:
    with _ended_after_error(engine):
        engine.stand_by()
        engine.go("")
        clock = _Clock(place)
        written = _write(workload, place)
        written_after = clock.seconds
        engine.written(written.end_lsn)
        return _measured(name, engine, workload, place, written, clock, lag_from=written_after)


@contextmanager
def _ended_after_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.end(arrived=False)
        raise


def _measured(
    name: str,
    engine: Engine,
    workload: Workload,
    place: _Place,
    written: _Written,
    clock: _Clock,
    *,
    lag_from: float,
) -> Run:
    """Wait until the marker has arrived or the time is over, and count what is on the target."""
    limit = place.limit_seconds + lag_from if name == "pgcopydb" else PATIENCE_SECONDS
    with place.target.server.connected("bench_" + name.replace("-", "_"), read_only=False) as connection:
        connection.execute("SET search_path = public")
        arrived = _wait_for_marker(connection, written.marker, engine, clock, limit)
        seconds, cpu = clock.seconds, clock.cpu_seconds()
        applied, ended = count(connection, workload.counted) - written.before, not engine.is_running
        cost = engine.end(arrived=arrived)
        copied = facts(connection)
    with place.source.server.connected(SOURCE, read_only=False) as connection:
        connection.execute("SET search_path = public")
        changes, expected = count(connection, workload.counted) - written.before, facts(connection)
    return Run(
        engine=name,
        workload=workload.name,
        seconds=seconds,
        lag_seconds=seconds - lag_from if lag_from else None,
        changes=changes,
        applied=applied,
        client_cpu_seconds=cost.cpu_seconds,
        source_cpu_seconds=cpu[0],
        target_cpu_seconds=cpu[1],
        peak_memory_bytes=cost.peak_memory_bytes,
        arrived=arrived,
        ended=ended,
        equal=copied == expected,
    )


def _wait_for_marker(connection: Connection, marker: int, engine: Engine, clock: _Clock, limit: float) -> bool:
    while True:
        was_running = engine.is_running
        if connection.execute("SELECT 1 FROM marker WHERE id = %s", (marker,)).fetchone() is not None:
            return True
        if not was_running or clock.seconds > limit:
            return False
        time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
