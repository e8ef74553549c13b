"""Compare our engine with pg_dump | pg_restore and pgcopydb: ``./run benchmark``, or ``python -m benchmarks.run``.

Each round runs every tool once, one after the other, from the same source to an empty target. Nothing else should run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import data_set, equality
from benchmarks.accounting import ClientCost, run_client
from benchmarks.results import MIB, Result, print_table
from benchmarks.servers import BenchServer, two_servers
from benchmarks.tools import CHECKOUT, Tool, dump_restore, environment, ours, pgcopydb_tools
from migrations_app.engine.postgres import sql

TABLE_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit code 1 when a tool failed or something did not arrive."""
    options = _parser().parse_args(arguments)
    console = Console(width=max(TABLE_WIDTH, Console().width), highlight=False)
    tools = _chosen(options.only, options.pgcopydb)
    folder = Path(options.folder) / options.size
    folder.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    with two_servers(folder) as (source, target):
        console.print(f"Data set {options.size}: making it, or finding it in {folder}.")
        data_set.make(source.server, data_set.SIZES[options.size])
        size_bytes = data_set.size_bytes(source.server)
        expected = equality.facts(source.server)
        for round_number in range(1, options.rounds + 1):
            for tool in tools:
                console.print(f"Round {round_number}: {tool.label} …", end=" ")
                result = _run_once(tool, round_number, source=source, target=target, expected=expected, folder=folder)
                console.print(f"{result.wall_seconds:.1f} s {'; '.join(result.problems) or 'equal'}")
                results.append(result)
    print_table(
        results, console=console, title=f"{size_bytes / MIB:,.0f} MiB, PostgreSQL 17 to 18, {options.rounds} rounds"
    )
    if options.json:
        Path(options.json).write_text(json.dumps([result.as_dict() for result in results], indent=2))
    return 1 if any(result.problems for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run benchmark", description=__doc__)
    parser.add_argument("--size", choices=list(data_set.SIZES), default="medium", help="medium is about 2 GB")
    parser.add_argument("--rounds", type=int, default=3, help="how often each tool runs (default 3)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TOOL", help="run only this tool; may be repeated"
    )
    parser.add_argument("--pgcopydb", action="append", default=[], metavar="PATH", help="a further pgcopydb to compare")
    parser.add_argument("--folder", default=str(CHECKOUT / "var" / "benchmark"), help="where the servers live")
    parser.add_argument("--json", metavar="FILE", help="write every run to this file as well")
    return parser


def _chosen(only: Sequence[str], extra_pgcopydb: Sequence[str]) -> list[Tool]:
    tools = [*ours(), dump_restore(), *pgcopydb_tools(extra_pgcopydb)]
    names = [tool.name for tool in tools]
    unknown = [name for name in only if name not in names]
    if unknown:
        sys.exit(f"There is no tool {', '.join(unknown)}. Known here: {', '.join(names)}.")
    return [tool for tool in tools if tool.name in only or not only]


def _run_once(
    tool: Tool, round_number: int, *, source: BenchServer, target: BenchServer, expected: equality.Facts, folder: Path
) -> Result:
    _prepare(source, target)
    log = folder / f"{tool.name}.log"
    wal_before, cpu_before = target.wal_position_bytes(), (source.cpu_seconds(), target.cpu_seconds())
    work = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
    try:
        costs = _run_steps(tool, source=source, target=target, work=work, log=log)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    cpu_after, wal_after = (source.cpu_seconds(), target.cpu_seconds()), target.wal_position_bytes()
    failed = [f"exit code {cost.exit_code}, see {log}" for cost in costs if cost.exit_code]
    return Result(
        tool=tool.name,
        label=tool.label,
        round_number=round_number,
        wall_seconds=sum(cost.wall_seconds for cost in costs),
        client_cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        source_cpu_seconds=cpu_after[0] - cpu_before[0],
        target_cpu_seconds=cpu_after[1] - cpu_before[1],
        peak_memory_bytes=max(cost.peak_memory_bytes for cost in costs),
        wal_bytes=wal_after - wal_before,
        problems=failed or equality.differences(expected, equality.facts(target.server)),
    )


def _run_steps(tool: Tool, *, source: BenchServer, target: BenchServer, work: Path, log: Path) -> list[ClientCost]:
    costs: list[ClientCost] = []
    for command in tool.commands(source=source, target=target, work=work):
        costs.append(run_client(command, environment=environment(), log=log))
        if costs[-1].exit_code:
            break
    return costs


def _prepare(source: BenchServer, target: BenchServer) -> None:
    """Empty the target and write everything out, so that no tool pays for the one before it."""
    with target.server.connected(read_only=False) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(data_set.DATABASE))
        connection.execute(statement)
        connection.execute("CHECKPOINT")
    with source.server.connected(read_only=False) as connection:
        connection.execute("CHECKPOINT")


if __name__ == "__main__":
    sys.exit(main())
