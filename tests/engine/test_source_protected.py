"""The source is protected while nobody reads the slot, and a clean-up by hand proves what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.replication import guarded_copy
from migrations_app.engine.replication.log_disk import may_measure, measure_log_disk
from migrations_app.engine.replication.logical_slot import SlotState
from migrations_app.engine.replication.room import RoomLimit, RoomMeter
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import ServerPool

SLOW = """
CREATE TABLE orders (id int PRIMARY KEY, what text);
INSERT INTO orders SELECT i, 'order ' || i FROM generate_series(1, 100) i;
CREATE FUNCTION slowly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN $1; END $$;
CREATE INDEX slow ON orders (slowly(id));
"""
ONLINE = OnlineOptions(apply=ApplyChoice.THROUGH_PORTAL, retained_wal_bytes=1, room_alarm_seconds=10**9)


@pytest.fixture
def move(servers: ServerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnlineMove]:
    """A database whose index takes ten seconds, so that the slot is not read for that long."""
    monkeypatch.setattr(guarded_copy, "LOOK_SECONDS", 0.2)
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=SLOW, online=ONLINE) as made:
        yield made


def test_while_tables_are_copied_the_slot_is_watched_and_given_up_where_that_was_chosen(move: OnlineMove) -> None:
    move.online = replace(ONLINE, protect_source=True, give_up_wal_bytes=8 * 1024 * 1024)
    move.start()
    move.until(lambda: bool(move.samples))
    assert move.samples[0].status.state == "starting" and move.samples[0].room_limit == "give_up"
    assert any(finding.code == "PM4031" for finding in move.log.findings)
    move.write("CREATE TABLE bulk AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 20000) i")
    (ended,) = move.wait().databases
    assert ended.error is not None and "was given up to protect" in ended.error.message
    assert "more than the 8.0 MB that were agreed" in ended.error.message
    assert "slot" not in move.left_on(move.source)
    name = move.name_of(move.databases[0])
    swept = move.clean_up_again()
    assert swept == [("source", ["publication", "schema"], [], []), ("target", ["schema"], ["schema"], [])], name
    assert move.clean_up_again() == [("source", [], [], []), ("target", ["schema"], ["schema"], [])]


def test_the_room_is_the_smallest_that_is_known(servers: ServerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = SlotState(active_pid=0, confirmed_lsn=1, restart_lsn=1, wal_status="reserved", safe_bytes=5000)
    with servers.get(18).connect("postgres") as connection:
        assert may_measure(connection)
        disk = measure_log_disk(connection)
        assert disk is not None and 0 < disk.free <= disk.size
        meter = RoomMeter(give_up_bytes=4000)
        first = meter.measure(connection, slot, retained_bytes=100)
        assert first is not None and (first.bytes, first.limit, first.full_in_seconds) == (
            3900,
            RoomLimit.GIVE_UP,
            None,
        )
        monkeypatch.setattr("migrations_app.engine.replication.room.LEAST_SECONDS", 0.0)
        room = meter.measure(connection, slot, retained_bytes=200)
        assert room is not None and room.full_in_seconds is not None and room.full_in_seconds > 0
        only_kept = RoomMeter(give_up_bytes=None).measure(connection, slot, retained_bytes=1)
        assert only_kept is not None and (only_kept.bytes, only_kept.limit) == (5000, RoomLimit.KEEP_SIZE)
        connection.execute("SET default_transaction_read_only = on")
        assert not may_measure(connection)
