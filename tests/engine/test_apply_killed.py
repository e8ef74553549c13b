"""Whoever dies when: every change arrives exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from migrations_app.engine.replication.apply import ApplyState
from tests.engine.applying import Followed, followed
from tests.fixtures.servers import RunningServer, ServerPool

SCHEMA = """
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE history (id bigint GENERATED ALWAYS AS IDENTITY, account int, delta int);
CREATE TABLE doubled (account int, delta int);
ALTER TABLE doubled REPLICA IDENTITY FULL;
"""
ROWS = "INSERT INTO account SELECT g, 0 FROM generate_series(1, 200) g;"
TRANSFER = """
BEGIN;
UPDATE account SET balance = balance + {n} WHERE id = {n} % 200 + 1;
INSERT INTO history (account, delta) VALUES ({n} % 200 + 1, {n});
INSERT INTO doubled VALUES ({n} % 7, {n} % 3);
COMMIT
"""


@contextmanager
def writing(made: Followed) -> Iterator[None]:
    """Keep writing to the source until the block ends; a larger transaction now and then."""
    stop = threading.Event()

    def write() -> None:
        with made.source.connect(made.source_database) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute(TRANSFER.replace("{n}", str(number)).encode())
                if number % 50 == 0:
                    connection.execute("UPDATE account SET balance = balance + 1")
                    connection.execute("DELETE FROM doubled WHERE account = 3")
                time.sleep(0.002)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def backends(server: RunningServer, name: str) -> list[int]:
    with server.connect() as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s", (f"pgmig/{name}/%",)
        ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("side", ["source", "target"])
def test_complaint_7_sessions_are_killed_in_the_midst_of_it(servers: ServerPool, side: str) -> None:
    """Terminated, not killed by -9, as that would restart the servers that other tests share."""
    with followed(servers.get(15), servers.get(18), SCHEMA, rows=ROWS) as made:
        server: RunningServer = getattr(made, side)
        with writing(made):
            for _ in range(5):
                time.sleep(0.4)
                for pid in backends(server, made.link.name):
                    with server.connect() as connection:
                        connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                made.until(lambda: made.engine.status().state is ApplyState.RECONNECTING)
                made.until(lambda: made.engine.status().state is ApplyState.APPLYING)
        made.assert_same()


@pytest.mark.slow
def test_complaint_7_servers_crash_and_start_again(servers: ServerPool) -> None:
    with (
        servers.fresh(15, fsync="on") as source,
        servers.fresh(17, fsync="on") as target,
        followed(source, target, SCHEMA, rows=ROWS) as made,
    ):
        for server in (target, source):
            made.write(*(TRANSFER.replace("{n}", str(n)) for n in range(100)))
            made.write("UPDATE account SET balance = balance + 1")
            for pid in backends(server, made.link.name)[:1]:
                os.kill(pid, signal.SIGKILL)
            made.until(lambda: made.engine.status().state is ApplyState.RECONNECTING)
            _connect_again(made)
            made.until(lambda: made.engine.status().state is ApplyState.APPLYING)
        made.assert_same()


def _connect_again(made: Followed) -> None:
    """The crash ended our own sessions, too."""
    deadline = time.monotonic() + 30
    while True:
        try:
            made.on_source = made.source.connect(made.source_database)
            made.on_target = made.target.connect(made.target_database)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


APPLIER = """
import sys, time
from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.through_portal import ThroughPortal
from migrations_app.engine.spec import Endpoint, Side
name, source_port, target_port, source_password, target_password, fence = sys.argv[1:]
control = Control(fence=int(fence))
def server(side, port, password):
    return Server(Endpoint(side=side, host="127.0.0.1", port=int(port), user="postgres", password=password),
                  tag=f"pgmig/{name}/{fence}", control=control)
link = Link(publisher=server(Side.SOURCE, source_port, source_password), publisher_database=name + "_s",
            subscriber=server(Side.TARGET, target_port, target_password), subscriber_database=name + "_t",
            name=name, tables=(), fence=int(fence))
engine = ThroughPortal(link, control=control, memory_bytes=200_000)
engine.start()
while True:
    time.sleep(1)
"""


@pytest.mark.slow
def test_complaint_1_the_portal_is_killed_in_the_midst_of_a_transaction(servers: ServerPool) -> None:
    with followed(servers.get(15), servers.get(18), SCHEMA, rows=ROWS, start=False) as made:
        with writing(made):
            for fence in range(1, 7):
                process = _another_process(made, fence)
                time.sleep(0.5 + 0.17 * fence)
                made.write(f"INSERT INTO history (account, delta) SELECT g, {fence} FROM generate_series(1, 5000) g")
                time.sleep(0.05 * fence)
                process.kill()
                process.wait()
        made.another_engine(fence=10).start()
        made.assert_same()


def _another_process(made: Followed, fence: int) -> subprocess.Popen[bytes]:
    servers = (str(made.source.port), str(made.target.port), made.source.password, made.target.password)
    return subprocess.Popen(
        [sys.executable, "-c", APPLIER, made.link.name, *servers, str(fence)], cwd=Path(__file__).resolve().parents[2]
    )


@pytest.mark.slow
def test_complaint_6_a_large_transaction_needs_little_memory(servers: ServerPool) -> None:
    """130 MB in one transaction through a portal that holds 200 kB of it."""
    with followed(servers.get(15), servers.get(18), SCHEMA + "CREATE TABLE wide (id int, v text)", start=False) as made:
        made.write("INSERT INTO wide VALUES (0, 'first')")
        process = _another_process(made, 1)
        try:
            made.until(lambda: _number(made.on_target, "SELECT count(*) FROM wide") == 1)
            before = _peak_memory_bytes(process.pid)
            made.write("INSERT INTO wide SELECT g, repeat('x', 1000) FROM generate_series(1, 130000) g")
            made.until(lambda: _number(made.on_target, "SELECT count(*) FROM wide") == 130001)
            grown = _peak_memory_bytes(process.pid) - before
        finally:
            process.kill()
            process.wait()
        assert grown < 16 * 1024 * 1024, grown


def _peak_memory_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


@pytest.mark.slow
def test_complaint_1_transactions_between_keepalives(servers: ServerPool) -> None:
    """Many tiny and empty transactions, pauses, and other databases that write: what is told to the source is here."""
    with followed(servers.get(15), servers.get(18), SCHEMA, rows=ROWS) as made:
        made.catch_up()
        _keepalives_pass_nothing(made)
        for round_number in range(6):
            made.write(*(TRANSFER.replace("{n}", str(n)) for n in range(40)))
            made.write("BEGIN; SELECT txid_current(); COMMIT")
            time.sleep(0.1 * round_number)
            made.engine.stop()
            confirmed, committed = _confirmed(made), _committed(made)
            assert confirmed <= committed
            made.another_engine().start()
        made.assert_same()


def _keepalives_pass_nothing(made: Followed) -> None:
    """A keepalive names a place behind transactions that wait for a lock here: neither position goes there."""
    with made.target.connect(made.target_database, autocommit=False) as blocker:
        blocker.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
        made.write(*(TRANSFER.replace("{n}", str(n)) for n in range(40)))
        made.until(lambda: _waiting_for_lock(made))
        written = _number(made.on_source, "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8")
        made.source.psql(
            "SELECT pg_logical_emit_message(true, 'noise', repeat('x', 100000)) FROM generate_series(1, 20)"
        )
        time.sleep(1.5)
        assert made.engine.status().applied_lsn < written and _confirmed(made) < written
        for pid in backends(made.target, made.link.name):
            made.target.psql(f"SELECT pg_terminate_backend({pid})")
    made.assert_same()


def _confirmed(made: Followed) -> int:
    query = "SELECT (confirmed_flush_lsn - '0/0')::int8 FROM pg_replication_slots WHERE slot_name = %s"
    return _number(made.on_source, query, made.link.name)


def _committed(made: Followed) -> int:
    return _number(
        made.on_target, "SELECT (lsn - '0/0')::int8 FROM _migration_portal.position WHERE slot = %s", made.link.name
    )


def _number(connection: psycopg.Connection[tuple[int, ...]], query: str, *values: str) -> int:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def test_complaint_11_an_idle_database_does_not_hold_the_log_of_others(servers: ServerPool) -> None:
    """The slot moves while only another database writes; complaint 9: an empty keepalive is no end of it."""
    with followed(servers.get(15), servers.get(18), SCHEMA) as made:
        made.catch_up()
        with made.source.fresh_database() as other, made.source.connect(other) as connection:
            connection.execute("CREATE TABLE noise AS SELECT g FROM generate_series(1, 20000) g")
            wanted = _number(connection, "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8")
            connection.execute("SELECT pg_logical_emit_message(true, 'x', 'y')")
            made.until(lambda: made.engine.status().applied_lsn >= wanted, 20)
            made.until(lambda: _confirmed(made) >= wanted, 20)


def test_complaint_9_a_source_that_shuts_down_does_not_wait_for_us(servers: ServerPool) -> None:
    with servers.fresh(15) as source, followed(source, servers.get(18), SCHEMA, rows=ROWS) as made:
        made.write(*(TRANSFER.replace("{n}", str(n)) for n in range(20)))
        made.catch_up()
        began_at = time.monotonic()
        source.stop()
        assert time.monotonic() - began_at < 10
        made.until(lambda: made.engine.status().state is ApplyState.RECONNECTING)
        source.start()
        _connect_again(made)
        made.assert_same()


def test_the_source_hears_from_us_while_a_statement_takes_long(servers: ServerPool) -> None:
    """wal_sender_timeout is shorter than what the target needs for one batch."""
    with (
        servers.fresh(15, wal_sender_timeout="3s") as source,
        followed(source, servers.get(18), SCHEMA, rows=ROWS, memory_bytes=100_000) as made,
    ):
        made.catch_up()
        with made.target.connect(made.target_database, autocommit=False) as blocker:
            blocker.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
            made.write("INSERT INTO history (account, delta) SELECT g, g FROM generate_series(1, 50000) g")
            before = _walsender(made)
            time.sleep(7)
            assert _walsender(made) == before
            blocker.rollback()
        made.assert_same()
        assert _walsender(made) == before


def _walsender(made: Followed) -> int:
    return _number(made.on_source, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", made.link.name)


def test_over_tls_nothing_waits_in_the_library(servers: ServerPool) -> None:
    """Rows of all sizes, so that TLS records and messages end at different places."""
    with followed(servers.get(17, tls=True), servers.get(18, tls=True), SCHEMA, rows=ROWS) as made:
        made.catch_up()
        began_at = time.monotonic()
        for size in (10, 3000, 9000, 17000, 40000):
            made.write(
                "INSERT INTO doubled SELECT g, g FROM generate_series(1, 300) g",
                "CREATE TABLE IF NOT EXISTS long (id serial PRIMARY KEY, v text)",
            )
            made.on_target.execute("CREATE TABLE IF NOT EXISTS long (id serial PRIMARY KEY, v text)")
            made.write(f"INSERT INTO long (v) SELECT repeat('x', {size}) FROM generate_series(1, 100)")
            made.catch_up()
        assert time.monotonic() - began_at < 15
        made.assert_same()


def test_stop_does_not_wait_for_a_statement(servers: ServerPool) -> None:
    with followed(servers.get(15), servers.get(18), SCHEMA, rows=ROWS) as made:
        made.catch_up()
        with made.target.connect(made.target_database, autocommit=False) as blocker:
            blocker.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
            made.write("INSERT INTO history (account, delta) VALUES (1, 1)")
            made.until(lambda: _waiting_for_lock(made))
            began_at = time.monotonic()
            made.engine.stop()
            assert time.monotonic() - began_at < 3
        made.another_engine().start()
        made.assert_same()


def _waiting_for_lock(made: Followed) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    return _number(made.on_target, query, made.target_database) > 0
