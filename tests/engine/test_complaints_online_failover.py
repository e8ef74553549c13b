"""Complaint 26: the slot is missing after a failover of the source, or nobody reads it, or it does not move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication import follower, watching
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.failover import choose_failover
from migrations_app.engine.replication.source_identity import is_another, read_source_identity
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, Side, VerificationLevel
from tests.engine.following_online import PATIENCE_SECONDS, OnlineMove, moving_online
from tests.fixtures.servers import RunningServer, ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
SCHEMA = "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders VALUES (1, 'first'), (2, 'second')"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)
    monkeypatch.setattr(watching, "COMPARE_SECONDS", 0.5)


@contextmanager
def with_standby(
    servers: ServerPool, work_dir: Path, online: OnlineOptions
) -> Iterator[tuple[OnlineMove, RunningServer]]:
    """A database that is followed, and a standby of its server that has the rows so far and the slot."""
    target = servers.get(18, name="target")
    with (
        servers.fresh(17, autovacuum="off") as primary,
        servers.standby_of(primary, sync_replication_slots="on") as standby,
        moving_online(primary, target, work_dir, schema=SCHEMA, online=online) as move,
    ):
        move.start()
        move.until_caught_up()
        _until_synchronized(move, standby)
        yield move, standby


def _until_synchronized(move: OnlineMove, standby: RunningServer) -> None:
    """The primary's log must move on before a standby keeps a slot for good."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    kept = "SELECT count(*) FROM pg_replication_slots WHERE synced AND NOT temporary"
    while standby.psql(kept) != "1":
        assert time.monotonic() < deadline
        move.write("SELECT pg_log_standby_snapshot(); SELECT pg_logical_emit_message(true, 'wake', '')")
        time.sleep(0.1)


def _fail_over(move: OnlineMove, standby: RunningServer) -> None:
    """The primary dies, and the standby takes its address."""
    port = move.source.port
    standby.stop()
    move.source.kill()
    standby.cluster.port = standby.cluster.socket_port = port
    standby.start()
    standby.psql("SELECT pg_promote()")
    move.source = standby


def _cut_over(move: OnlineMove, level: VerificationLevel) -> tuple[bool, str]:
    request = PersonRequest(
        str(len(move.requests.asked)), RequestKind.CUTOVER, move.id_of(move.databases[0]), verification=level
    )
    move.requests.asked.append(request)

    def is_answered() -> bool:
        if request.id not in move.requests.ended and (move.thread is None or not move.thread.is_alive()):
            move.start()
        return request.id in move.requests.ended

    move.until(is_answered)
    return move.requests.ended[request.id]


def _found(move: OnlineMove, code: str) -> bool:
    return any(finding.code == code for finding in move.log.findings)


def test_complaint_26_a_promoted_standby_has_the_slot(servers: ServerPool, tmp_path: Path) -> None:
    """The subscription goes on with it; that the server is another one is said, and the cutover compares every row."""
    with with_standby(servers, tmp_path, ONLINE) as (move, standby):
        assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER
        name = move.name_of(move.databases[0])
        assert any(f"{name} is a failover slot" in note for note in move.log.notes)
        marked = f"SELECT failover FROM pg_replication_slots WHERE slot_name = '{name}'"
        assert move.source.psql(marked) == "t", "the subscription leaves the mark"
        assert not _found(move, "PM4034")
        _fail_over(move, standby)
        move.write("INSERT INTO orders VALUES (3, 'on the new primary')")
        move.start()
        move.until(lambda: _found(move, "PM4034"))
        (finding,) = [each for each in move.log.findings if each.code == "PM4034"]
        assert "It is another server, or on another time line" in finding.saw and "/2 instead of" in finding.saw
        move.until_same("orders")
        succeeded, message = _cut_over(move, VerificationLevel.COUNTS)
        assert succeeded, message
        assert any("every row is compared" in note for note in move.log.notes)
        assert move.wait().succeeded and move.same("orders")


def test_complaint_26_what_the_failover_lost_is_found_before_the_cutover(servers: ServerPool, tmp_path: Path) -> None:
    """The target has a change that the standby never had: as many rows on both sides, and one differs."""
    with with_standby(servers, tmp_path, PORTAL) as (move, standby):
        standby.stop()
        move.write("UPDATE orders SET what = 'lost by the failover' WHERE id = 1")
        move.until_same("orders")
        _fail_over(move, standby)
        move.until(lambda: _found(move, "PM4034"))
        move.write("SELECT pg_switch_wal(); INSERT INTO orders VALUES (3, 'on the new primary')")
        move.until(lambda: "new primary" in move.rows(move.target, "orders"))
        succeeded, message = _cut_over(move, VerificationLevel.COUNTS)
        assert not succeeded and "orders" in message, message
        move.write("UPDATE orders SET what = 'still open' WHERE id = 1")
        move.until_same("orders")
        succeeded, message = _cut_over(move, VerificationLevel.COUNTS)
        assert succeeded, message


@pytest.mark.parametrize("major", [10, 14, 17, 18])
def test_complaint_26_slots_are_marked_where_that_costs_nothing(servers: ServerPool, major: int) -> None:
    running = servers.get(major)
    server = Server(running.endpoint(Side.SOURCE), tag="pgmig/26/1")
    with server.connected("postgres", purpose="look") as connection:
        choice = choose_failover(server, connection, name="pgmig_x")
        identity = read_source_identity(connection)
        assert choice.is_wanted is (major >= 17)
        assert ("standbys keep slots since 17" in choice.words) is (major < 17)
        assert identity.endswith("/1") and not is_another(identity, read_source_identity(connection))
    if major == 17:
        _where_standbys_are_waited_for(running, server)


def _where_standbys_are_waited_for(running: RunningServer, server: Server) -> None:
    running.psql("ALTER SYSTEM SET synchronized_standby_slots = 'one, \"two\"'")
    running.psql("SELECT pg_reload_conf(), pg_sleep(0.3)")
    try:
        with server.connected("postgres", purpose="look") as connection:
            choice = choose_failover(server, connection, name="pgmig_x")
        assert not choice.is_wanted
        assert "slots that nobody reads (one, two)" in choice.words
    finally:
        running.psql("ALTER SYSTEM RESET synchronized_standby_slots")
        running.psql("SELECT pg_reload_conf(), pg_sleep(0.3)")
