"""Compare how fast a backlog of changes is applied: ours, and a subscription made by hand.

``python -m benchmarks.replication``. Each workload is written on the source while nobody follows it; then each engine
applies it to a database of its own that was equal before, and is compared with the source in the end. Source and
targets are on this machine, so they share its processors.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.accounting import ClientCost, run_client
from benchmarks.replication_ours import SECONDS
from benchmarks.results import MIB
from benchmarks.servers import PASSWORD, BenchServer, two_servers
from benchmarks.tools import CHECKOUT
from migrations_app.engine.postgres import Connection, sql
from portal.local_postgres import find

SOURCE = "bench_followed"
SCALE = 10
DEFAULT_ENGINES = ("ours", "native")
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history", "inserted")
PATIENCE_SECONDS = 900
EQUAL = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} AS t"


@dataclass(frozen=True)
class Workload:
    """What is written on the source, and how many changes of rows that is."""

    name: str
    label: str
    changes: int
    write: Callable[[BenchServer, Connection], None]


@dataclass(frozen=True)
class Run:
    """One backlog applied by one engine."""

    engine: str
    workload: str
    seconds: float
    client_cpu_seconds: float
    target_cpu_seconds: float
    source_cpu_seconds: float
    peak_memory_bytes: int
    equal: bool


def _pgbench(transactions: int) -> Callable[[BenchServer, Connection], None]:
    def write(source: BenchServer, _: Connection) -> None:
        _run_pgbench(source, "-n", "-c", "2", "-j", "2", "-t", str(transactions // 2))

    return write


def _statement(text: str) -> Callable[[BenchServer, Connection], None]:
    def write(_: BenchServer, connection: Connection) -> None:
        connection.execute(text.encode())

    return write


def workloads(factor: float) -> list[Workload]:
    """Return the workloads of the mission, ``factor`` times as large."""
    oltp, updates, inserts = int(30_000 * factor), int(500_000 * factor), int(1_000_000 * factor)
    update = f"UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid <= {updates}"
    insert = (
        "INSERT INTO inserted SELECT g, md5(g::text), g * 1.5, now() FROM "
        f"generate_series((SELECT count(*) FROM inserted) + 1, (SELECT count(*) FROM inserted) + {inserts}) g"
    )
    return [
        Workload("oltp", f"TPC-B, 2 clients, {oltp:,} transactions", oltp * 4, _pgbench(oltp)),
        Workload("updates", f"one transaction, {updates:,} updates", updates, _statement(update)),
        Workload("inserts", f"one transaction, {inserts:,} inserts", inserts, _statement(insert)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit code 1 when rows did not arrive."""
    options = _parser().parse_args(arguments)
    console = Console(width=max(140, Console().width), highlight=False)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in workloads(options.factor) if not options.only or each.name in options.only]
    runs: list[Run] = []
    with two_servers(folder) as (source, target):
        _make(source)
        for round_number in range(options.rounds):
            for workload in chosen:
                console.print(f"Round {round_number + 1}, {workload.label} …", end=" ")
                done = _round(workload, options.engine or DEFAULT_ENGINES, source=source, target=target, folder=folder)
                told = (f"{run.engine} {run.seconds:.1f} s{'' if run.equal else ' NOT EQUAL'}" for run in done)
                console.print(", ".join(told))
                runs += done
    _print(runs, chosen, console)
    return 0 if all(run.equal for run in runs) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replication", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="make the workloads so many times as large")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], choices=["oltp", "updates", "inserts"])
    parser.add_argument("--engine", action="append", default=[], choices=list(ENGINES))
    parser.add_argument("--folder", default=str(CHECKOUT / "var" / "benchmark" / "replication"))
    return parser


def _run_pgbench(server: BenchServer, *arguments: str) -> None:
    environment = os.environ | {"PGPASSWORD": PASSWORD}
    command = [str(find(17).bin_dir / "pgbench"), "-h", "127.0.0.1", "-p", str(server.endpoint.port)]
    command += ["-U", server.endpoint.user, *arguments, SOURCE]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _make(source: BenchServer) -> None:
    """Make the source's database anew."""
    with source.server.connected(read_only=False) as connection:
        _drop_slots(connection)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(SOURCE)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(SOURCE)))
    _run_pgbench(source, "-i", "-s", str(SCALE), "-q")
    with source.server.connected(SOURCE, read_only=False) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE inserted (id bigint PRIMARY KEY, name text, amount numeric, at timestamptz)")
        connection.execute("CREATE TABLE marker (id int PRIMARY KEY)")
        for engine in ENGINES:
            name = sql.Identifier(f"bench_{engine}")
            connection.execute(sql.SQL("CREATE PUBLICATION {} FOR ALL TABLES").format(name))


def _drop_slots(connection: Connection) -> None:
    connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")


def _round(
    workload: Workload, engines: Sequence[str], *, source: BenchServer, target: BenchServer, folder: Path
) -> list[Run]:
    """Copy the source for each engine, write the backlog once, and let each apply it."""
    with source.server.connected(SOURCE, read_only=False) as connection:
        _drop_slots(connection)
        connection.execute("SET search_path = public")
        for engine in engines:
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (f"bench_{engine}",))
            _copy(source, target, f"bench_{engine}")
        workload.write(source, connection)
        row = connection.execute("INSERT INTO marker SELECT count(*) + 1 FROM marker RETURNING id").fetchone()
        marker = int(row[0]) if row else 0
        expected = _facts(connection)
    return [
        _applied(engine, workload, marker=marker, expected=expected, source=source, target=target, folder=folder)
        for engine in engines
    ]


def _copy(source: BenchServer, target: BenchServer, database: str) -> None:
    with target.server.connected(read_only=False) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    programs, environment = find(18).bin_dir, os.environ | {"PGPASSWORD": PASSWORD}
    dump = [str(programs / "pg_dump"), "--no-publications", "-Fc", "-Z0", source.url(SOURCE)]
    restore = [str(programs / "pg_restore"), "-d", target.url(database)]
    with subprocess.Popen(dump, env=environment, stdout=subprocess.PIPE) as dumping:
        subprocess.run(restore, env=environment, stdin=dumping.stdout, check=True)
    for server in (source, target):
        with server.server.connected(read_only=False) as connection:
            connection.execute("CHECKPOINT")


def _applied(
    engine: str,
    workload: Workload,
    *,
    marker: int,
    expected: list[tuple[object, ...]],
    source: BenchServer,
    target: BenchServer,
    folder: Path,
) -> Run:
    before = (source.cpu_seconds(), target.cpu_seconds())
    cost = ENGINES[engine](f"bench_{engine}", marker, source, target, folder / f"{engine}.log")
    after = (source.cpu_seconds(), target.cpu_seconds())
    with target.server.connected(f"bench_{engine}", read_only=False) as connection:
        connection.execute("SET search_path = public")
        equal = _facts(connection) == expected and cost.exit_code == 0
    return Run(
        engine=engine,
        workload=workload.name,
        seconds=cost.wall_seconds,
        client_cpu_seconds=cost.cpu_seconds,
        source_cpu_seconds=after[0] - before[0],
        target_cpu_seconds=after[1] - before[1],
        peak_memory_bytes=cost.peak_memory_bytes,
        equal=equal,
    )


def _facts(connection: Connection) -> list[tuple[object, ...]]:
    rows = []
    for table in TABLES:
        rows += connection.execute(sql.SQL(EQUAL).format(sql.Identifier(table))).fetchall()
    return rows


def _ours(database: str, marker: int, source: BenchServer, target: BenchServer, log: Path) -> ClientCost:
    """A process of its own, so that its processor time and memory are its own; the time begins when it is up."""
    ports = (str(source.endpoint.port), str(target.endpoint.port))
    command = [sys.executable, "-m", "benchmarks.replication_ours", database, SOURCE, *ports, str(marker)]
    command.append("streaming" if database.endswith("streaming") else "after_commit")
    cost = run_client(command, environment=os.environ | {"PYTHONPATH": str(CHECKOUT)}, log=log)
    last = log.read_text().splitlines()[-1]
    return replace(cost, wall_seconds=float(last.removeprefix(SECONDS)) if last.startswith(SECONDS) else 0.0)


def _native(database: str, marker: int, source: BenchServer, target: BenchServer, log: Path) -> ClientCost:
    """A subscription as an expert makes it by hand."""
    with target.server.connected(database, read_only=False) as connection:
        text = f"host=127.0.0.1 port={source.endpoint.port} user={source.endpoint.user} password='{PASSWORD}'"
        connection.execute(
            sql.SQL(
                "CREATE SUBSCRIPTION bench CONNECTION {} PUBLICATION {} WITH (create_slot = false, slot_name = {}, "
                "copy_data = false, enabled = false, binary = true, streaming = parallel)"
            ).format(sql.Literal(f"{text} dbname={SOURCE}"), sql.Identifier(database), sql.Literal(database))
        )
        began_at = time.monotonic()
        connection.execute("ALTER SUBSCRIPTION bench ENABLE")
        while connection.execute("SELECT 1 FROM public.marker WHERE id = %s", (marker,)).fetchone() is None:
            if time.monotonic() - began_at > PATIENCE_SECONDS:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - began_at
        connection.execute("ALTER SUBSCRIPTION bench DISABLE")
        connection.execute("ALTER SUBSCRIPTION bench SET (slot_name = NONE)")
        connection.execute("DROP SUBSCRIPTION bench")
    return ClientCost(0, seconds, 0.0, 0, 0)


ENGINES = {"ours": _ours, "native": _native, "ours_streaming": _ours}


def _print(runs: Sequence[Run], chosen: Sequence[Workload], console: Console) -> None:
    title = "Catching up with a backlog, PostgreSQL 17 to 18; medians"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("workload", no_wrap=True)
    table.add_column("engine", no_wrap=True)
    for heading in ("s", "changes/s", "÷ native", "client", "source", "target CPU s", "peak MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("arrived", no_wrap=True)
    for workload in chosen:
        for engine in dict.fromkeys(run.engine for run in runs):
            table.add_row(*_row(runs, workload, engine))
    console.print(table)


def _row(runs: Sequence[Run], workload: Workload, engine: str) -> list[str]:
    mine = [run for run in runs if (run.engine, run.workload) == (engine, workload.name)]
    native = [run.seconds for run in runs if (run.engine, run.workload) == ("native", workload.name)]
    seconds = median(run.seconds for run in mine)
    return [
        workload.label,
        engine,
        f"{seconds:.1f}",
        f"{workload.changes / seconds:,.0f}",
        f"{median(native) / seconds:.2f}" if native else "–",
        *(
            f"{median(getattr(run, f'{side}_cpu_seconds') for run in mine):.1f}"
            for side in ("client", "source", "target")
        ),
        f"{median(run.peak_memory_bytes for run in mine) / MIB:.0f}",
        "equal" if all(run.equal for run in mine) else "NOT EQUAL",
    ]


if __name__ == "__main__":
    sys.exit(main())
