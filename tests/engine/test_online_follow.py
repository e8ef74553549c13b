"""Follow a database while it is in use: the copy in the slot's snapshot, every change after it, and the cutover."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.proxies import delayed
from tests.fixtures.servers import ServerPool

SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text, n int);
INSERT INTO orders (what, n) SELECT 'order ' || i, i FROM generate_series(1, 1000) i;
CREATE TABLE lines (id int, pos int, what text, PRIMARY KEY (id, pos));
CREATE TABLE pile (what text);
INSERT INTO pile VALUES ('a'), ('b');
CREATE UNLOGGED TABLE sessions (id int PRIMARY KEY);
CREATE INDEX ON orders (n);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders;
"""
CHANGES = """
UPDATE orders SET n = n + 1 WHERE id < 100;
DELETE FROM orders WHERE id > 990;
INSERT INTO lines SELECT i, 1, 'x' FROM generate_series(1, 100) i;
BEGIN; UPDATE orders SET what = 'never'; ROLLBACK;
INSERT INTO orders (what) VALUES ('new');
INSERT INTO pile VALUES ('c');
"""


class Writing:
    """Writes one row after the other on the source until it is told to end."""

    def __init__(self, move: OnlineMove) -> None:
        self._move, self._end = move, threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.count = 0

    def _write(self) -> None:
        with self._move.source.connect(self._move.databases[0]) as connection:
            while not self._end.wait(0.005):
                connection.execute("INSERT INTO orders (what, n) VALUES ('written meanwhile', %s)", (self.count,))
                self.count += 1

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def test_complaint_28_no_row_is_missing_after_the_copy_over_a_slow_road(servers: ServerPool, tmp_path: Path) -> None:
    """pglogical #64, #158, #316: rows are written while it is copied, and the target is 30 ms away from the source.

    The portal lets go of it when it has caught up, and comes back to the same point within moments.
    """
    source, target = servers.get(15), servers.get(18, name="target")
    with delayed(source.port, seconds=0.015) as road, moving_online(source, target, tmp_path, schema=SCHEMA) as move:
        move.online = replace(move.online, source_as_seen_by_target=f"127.0.0.1:{road.port}")
        with Writing(move) as writing:
            outcome = move.run()
        assert writing.count > 10
        assert outcome.look_again_seconds == 10.0 and not outcome.succeeded and not outcome.databases
        assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER and "trial" in move.started[0].reason
        move.write(CHANGES)
        move.until_same("orders", "lines")
        assert road.turns > 10, "the subscription takes that road"
        again = move.run()
        assert again.look_again_seconds == 10.0 and not move.started
        move.ask(RequestKind.REHEARSE)
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded
        move.assert_same_dump(move.databases[0])
        assert move.left_on(source) == "" and move.left_on(target) == ""


def test_complaint_28_no_row_is_missing_after_the_copy_through_the_portal(servers: ServerPool, tmp_path: Path) -> None:
    """It stays until everything is cut over: nobody else would apply."""
    source, target = servers.get(15), servers.get(18)
    online = OnlineOptions(apply=ApplyChoice.THROUGH_PORTAL, cutover_seconds=60, sequence_headroom=0)
    with moving_online(source, target, tmp_path, schema=SCHEMA, online=online) as move:
        with Writing(move) as writing:
            move.start()
            move.until_caught_up()
        assert writing.count > 10 and move.started[0].engine is ApplyKind.THROUGH_PORTAL
        move.write(CHANGES)
        move.until_same("orders", "lines")
        move.ask(RequestKind.PAUSE)
        move.write("INSERT INTO lines VALUES (-1, -1, 'while it rests')")
        move.ask(RequestKind.CONTINUE)
        move.until_same("lines")
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded
        move.assert_same_dump(move.databases[0])


def test_two_databases_are_followed_and_cut_over_one_by_one(servers: ServerPool, tmp_path: Path) -> None:
    source, target = servers.get(18), servers.get(18, name="target")
    with moving_online(source, target, tmp_path, schema=SCHEMA, count=2) as move:
        first, second = move.databases
        move.run()
        move.write(CHANGES, first)
        move.write(CHANGES, second)
        move.ask(RequestKind.CUTOVER, second)
        assert move.wait().look_again_seconds == 10.0, "the first one is followed"
        move.until_same("orders", database=first)
        move.ask(RequestKind.CUTOVER, first)
        assert move.wait().succeeded
        for name in (first, second):
            move.assert_same_dump(name)
