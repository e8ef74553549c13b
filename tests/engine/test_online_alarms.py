"""Alarms of a followed database: each is told on a real server, and none on a healthy one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.replication import follower, server_to_server, watching
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text);
INSERT INTO orders (what) SELECT 'order ' || i FROM generate_series(1, 100) i;
CREATE TABLE lines (id int PRIMARY KEY);
"""
ALL = ("PM4031", "PM4032", "PM4033", "PM4034", "PM4035", "PM4036", "PM4037")


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.2)
    monkeypatch.setattr(watching, "COMPARE_SECONDS", 0.4)
    monkeypatch.setattr(watching, "STUCK_SECONDS", 2.0)
    monkeypatch.setattr(server_to_server, "STUCK_SECONDS", 1.0)


@pytest.fixture
def move(servers: ServerPool, tmp_path: Path) -> Iterator[OnlineMove]:
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=SCHEMA, online=PORTAL) as made:
        yield made


def of_code(move: OnlineMove, code: str) -> list[Finding]:
    return [finding for finding in move.log.findings if finding.code == code]


def test_complaint_27_an_apply_that_stands_still_is_told(move: OnlineMove) -> None:
    """pgstream #584: a process hangs without a word. Somebody locks a table on the target, and nothing arrives."""
    move.start()
    move.until_caught_up()
    move.write("INSERT INTO orders (what) SELECT repeat('x', 100) FROM generate_series(1, 20000)")
    move.until_same("orders")
    assert not [code for code in ALL if of_code(move, code)], "a healthy one is quiet"
    with move.target.connect(move.databases[0], autocommit=False) as blocker:
        blocker.execute("LOCK TABLE orders")
        move.write("INSERT INTO orders (what) SELECT repeat('y', 100) FROM generate_series(1, 20000)")
        move.until(lambda: bool(of_code(move, "PM4032")))
        (finding,) = of_code(move, "PM4032")
        assert finding.level is Level.WARNING and "Nothing was applied for" in finding.saw
        assert "bytes wait (applying)" in finding.saw and "pg_stat_activity" in finding.fix
        blocker.rollback()
    move.until_same("orders")
    move.until(lambda: any("Over: apply of" in note and "PM4032" in note for note in move.log.notes))


def test_complaint_26_a_subscription_that_reads_nothing_is_told(move: OnlineMove) -> None:
    """PeerDB #1827: the slot is inactive, and few bytes wait; the heartbeat that does not come tells it."""
    move.online = ONLINE
    move.run()
    assert not [code for code in ALL if of_code(move, code)], "a healthy one is quiet"
    name = move.name_of(move.databases[0])
    switch = "ALTER SUBSCRIPTION {} CONNECTION '{}'"
    conninfo = move.target.psql(
        f"SELECT subconninfo FROM pg_subscription WHERE subname = '{name}'", database=move.databases[0]
    )
    wrong = switch.format(name, "host=127.0.0.1 port=1 dbname=gone")
    move.target.psql(wrong, database=move.databases[0])
    move.start()
    move.until(lambda: bool(of_code(move, "PM4032")))
    (finding,) = of_code(move, "PM4032")
    assert "reconnecting" in finding.saw and "has had no working connection" in finding.saw
    assert f'the lines of "logical replication apply worker" of {name}' in finding.fix
    assert move.samples[-1].status.state is ApplyState.RECONNECTING
    move.target.psql(switch.format(name, conninfo.replace("'", "''")), database=move.databases[0])
    move.until(lambda: any("Over: apply of" in note and "PM4032" in note for note in move.log.notes))


def test_tables_that_the_subscription_does_not_know_are_named(move: OnlineMove) -> None:
    """A published table that was not refreshed is received and thrown away, without an error; others leave it."""
    move.online = ONLINE
    move.run()
    assert not [code for code in ALL if of_code(move, code)], "a healthy one is quiet"
    name, database = move.name_of(move.databases[0]), move.databases[0]
    for server in (move.source, move.target):
        server.psql("CREATE TABLE late (id int PRIMARY KEY)", database=database)
    move.write(f"ALTER PUBLICATION {name} ADD TABLE late; ALTER PUBLICATION {name} DROP TABLE lines")
    move.run()
    (finding,) = of_code(move, "PM4036")
    assert (finding.level, finding.subject) == (Level.FAILED, f"subscription {name}")
    assert "public.late, public.lines (not published)" in finding.saw


def test_complaint_19_log_that_is_held_back_is_told_with_its_state(move: OnlineMove) -> None:
    """pgcopydb #564, KBVE #7795: a slot fills the source's disk. Every look says how much it holds, and of what state."""
    move.online = replace(PORTAL, retained_wal_bytes=1)
    move.start()
    move.until(lambda: bool(of_code(move, "PM4031")))
    (finding,) = of_code(move, "PM4031")
    assert finding.level is Level.WARNING and "of the log of" in finding.saw
    assert (move.samples[-1].retained_wal_bytes or 0) > 1 and move.samples[-1].wal_status == "reserved"
