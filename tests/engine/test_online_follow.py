"""Follow a database while it is in use: the copy in the slot's snapshot, and every change after it."""

from __future__ import annotations

from pathlib import Path

from migrations_app.engine.replication.apply import ApplyKind
from tests.engine.following_online import moving_online
from tests.fixtures.servers import ServerPool

SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text, n int);
INSERT INTO orders (what, n) SELECT 'order ' || i, i FROM generate_series(1, 1000) i;
CREATE TABLE lines (id int, pos int, what text, PRIMARY KEY (id, pos));
CREATE TABLE pile (what text);
INSERT INTO pile VALUES ('a'), ('b');
CREATE UNLOGGED TABLE sessions (id int PRIMARY KEY);
CREATE INDEX ON orders (n);
"""


def test_a_database_is_copied_and_followed(servers: ServerPool, tmp_path: Path) -> None:
    """The portal lets go of it when it has caught up, and comes back to the same point within moments."""
    source, target = servers.get(15), servers.get(18)
    with moving_online(source, target, tmp_path, schema=SCHEMA) as move:
        outcome = move.run()
        assert outcome.look_again_seconds == 10.0 and not outcome.succeeded and not outcome.databases
        assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER and "trial" in move.started[0].reason
        move.write("UPDATE orders SET n = n + 1 WHERE id < 100; DELETE FROM orders WHERE id > 990")
        move.write("INSERT INTO lines SELECT i, 1, 'x' FROM generate_series(1, 100) i; TRUNCATE orders")
        move.until_same("orders", "lines")
        again = move.run()
        assert again.look_again_seconds == 10.0 and not move.started
