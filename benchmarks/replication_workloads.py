"""What ``benchmarks.replication`` writes on its source: the tables, the workloads, and how changes are counted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.servers import PASSWORD, SOURCE_MAJOR, TARGET_MAJOR, BenchServer
from migrations_app.engine.postgres import Connection, sql
from portal.local_postgres import find

SOURCE = "bench_followed"
SCALE = 10
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history", "inserted")
EQUAL = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} AS t"
# A transaction of TPC-B updates three rows and inserts one.
TRANSACTIONS = "SELECT 4 * count(*) FROM pgbench_history"
UPDATED = "SELECT coalesce(sum(abalance), 0)::bigint FROM pgbench_accounts"
INSERTED = "SELECT count(*) FROM inserted"
UPDATE = "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid <= {count}"
INSERT = (
    "INSERT INTO inserted SELECT g, md5(g::text), g * 1.5, now() FROM "
    "generate_series((SELECT count(*) FROM inserted) + 1, (SELECT count(*) FROM inserted) + {count}) g"
)
# A transaction that pgcopydb ends within its time limit is so many times smaller than one of the mission.
SMALL = 50


@dataclass(frozen=True)
class Workload:
    """What is written on the source. ``counted`` is a query whose result grows by one with each change.

    ``live``: it is written while the engine applies. ``once``: it is measured in the first round only.
    """

    name: str
    label: str
    counted: str
    write: Callable[[BenchServer], None]
    live: bool = False
    once: bool = False


def workloads(factor: float) -> list[Workload]:
    """Return the workloads of the mission, ``factor`` times as large."""
    updates, inserts = int(500_000 * factor), int(1_000_000 * factor)
    transactions, seconds = int(30_000 * factor), max(1, int(10 * min(factor, 1)))
    return [
        _backlog(transactions),
        _one_statement("updates", UPDATE, UPDATED, updates),
        _one_statement("inserts", INSERT, INSERTED, inserts),
        _one_statement("updates-small", UPDATE, UPDATED, max(1, updates // SMALL)),
        _one_statement("inserts-small", INSERT, INSERTED, max(1, inserts // SMALL)),
        _while_applied(seconds),
    ]


def _backlog(transactions: int) -> Workload:
    label = f"TPC-B, 2 clients, {transactions:,} transactions"
    arguments = ("-n", "-c", "2", "-j", "2", "-t", str(transactions // 2))
    return Workload("oltp", label, TRANSACTIONS, lambda source: run_pgbench(source, *arguments))


def _while_applied(seconds: int) -> Workload:
    label = f"TPC-B, 2 clients, {seconds} s, applied meanwhile"
    arguments = ("-n", "-c", "2", "-j", "2", "-T", str(seconds))
    write = lambda source: run_pgbench(source, *arguments)  # noqa: E731
    return Workload("oltp-live", label, TRANSACTIONS, write, live=True, once=True)


def _one_statement(name: str, statement: str, counted: str, count: int) -> Workload:
    def write(source: BenchServer) -> None:
        with source.server.connected(SOURCE, read_only=False) as connection:
            connection.execute("SET search_path = public")
            connection.execute(statement.format(count=count).encode())

    label = f"one transaction, {count:,} {name.partition('-')[0]}"
    return Workload(name, label, counted, write, once=name.endswith("small"))


def run_pgbench(server: BenchServer, *arguments: str) -> None:
    """Run it on the source's database to its end."""
    environment = os.environ | {"PGPASSWORD": PASSWORD}
    command = [str(find(SOURCE_MAJOR).bin_dir / "pgbench"), "-h", "127.0.0.1", "-p", str(server.endpoint.port)]
    command += ["-U", server.endpoint.user, *arguments, SOURCE]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_source(source: BenchServer, factor: float) -> None:
    """Make the source's database anew, large enough for workloads of this factor."""
    with source.server.connected(read_only=False) as connection:
        drop_idle_slots(connection)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(SOURCE)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(SOURCE)))
    run_pgbench(source, "-i", "-s", str(max(1, ceil(SCALE * factor))), "-q")
    with source.server.connected(SOURCE, read_only=False) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE inserted (id bigint PRIMARY KEY, name text, amount numeric, at timestamptz)")
        connection.execute("CREATE TABLE marker (id int PRIMARY KEY)")


def drop_idle_slots(connection: Connection) -> None:
    """Drop what earlier rounds left."""
    connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")


def copy_source(source: BenchServer, target: BenchServer, databases: Sequence[str]) -> None:
    """Make target databases that equal the source: the first from a dump, the others from the first."""
    with target.server.connected(read_only=False) as connection:
        for database in databases:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(databases[0])))
        _restore(source, target, databases[0])
        for database in databases[1:]:
            names = (sql.Identifier(database), sql.Identifier(databases[0]))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(*names))
        connection.execute("CHECKPOINT")
    with source.server.connected(read_only=False) as connection:
        connection.execute("CHECKPOINT")


def _restore(source: BenchServer, target: BenchServer, database: str) -> None:
    programs, environment = find(TARGET_MAJOR).bin_dir, os.environ | {"PGPASSWORD": PASSWORD}
    dump = [str(programs / "pg_dump"), "--no-publications", "-Fc", "-Z0", source.url(SOURCE)]
    restore = [str(programs / "pg_restore"), "-d", target.url(database)]
    with subprocess.Popen(dump, env=environment, stdout=subprocess.PIPE) as dumping:
        subprocess.run(restore, env=environment, stdin=dumping.stdout, check=True)


def facts(connection: Connection) -> list[tuple[object, ...]]:
    """Return what must be equal in the end: the number of rows of each table, and a sum over all of their values."""
    rows = []
    for table in TABLES:
        rows += connection.execute(sql.SQL(EQUAL).format(sql.Identifier(table))).fetchall()
    return rows


def count(connection: Connection, query: str) -> int:
    """Return the number that a query counts."""
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
