"""Large transactions that the server sends before they are committed (protocol 2, since 14)."""

from __future__ import annotations

import time

import pytest

from tests.engine.applying import Followed, followed
from tests.fixtures.servers import ServerPool

SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE later (id int PRIMARY KEY, v text);
CREATE TABLE other (id int PRIMARY KEY, v text);
"""
MANY = "INSERT INTO {} SELECT g, repeat(md5(g::text), 3) FROM generate_series({}, {}) g"


def _streams(made: Followed) -> int:
    row = made.on_source.execute(
        "SELECT stream_count FROM pg_stat_replication_slots WHERE slot_name = %s", (made.link.name,)
    ).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize("publisher", [14, 15, 18])
def test_streamed_transactions_with_parts_rolled_back(servers: ServerPool, publisher: int) -> None:
    source = servers.get(publisher, name="streaming", logical_decoding_work_mem="64kB")
    with followed(source, servers.get(17), SCHEMA, memory_bytes=200_000, streaming=True) as made:
        with made.source.connect(made.source_database, autocommit=False) as first:
            first.execute(MANY.format("t", 1, 3000).encode())
            first.execute("SAVEPOINT a")
            first.execute(MANY.format("t", 3001, 6000).encode())
            first.execute("SAVEPOINT b")
            first.execute("UPDATE t SET v = 'gone' WHERE id < 2000")
            first.execute(MANY.format("later", 1, 2000).encode())
            made.write(MANY.format("other", 1, 3000), "INSERT INTO other VALUES (0, 'between')")
            first.execute("ROLLBACK TO b")
            first.execute("UPDATE t SET v = 'stays' WHERE id BETWEEN 2000 AND 4000")
            first.execute("SAVEPOINT c")
            first.execute("DELETE FROM t WHERE id > 5000")
            first.execute("RELEASE c")
            first.execute(MANY.format("later", 1, 2000).encode())
            made.write("UPDATE other SET v = 'changed' WHERE id < 100")
            first.commit()
        with made.source.connect(made.source_database, autocommit=False) as second:
            second.execute(MANY.format("t", 10001, 14000).encode())
            time.sleep(0.3)
            second.rollback()
        made.write("UPDATE later SET v = 'after' WHERE id < 50")
        made.assert_same()
        made.until(lambda: _streams(made) > 0)


def test_a_table_that_changes_within_a_streamed_transaction(servers: ServerPool) -> None:
    source = servers.get(15, name="streaming", logical_decoding_work_mem="64kB")
    target = SCHEMA.replace("t (id int PRIMARY KEY, v text)", "t (id int PRIMARY KEY, v text, extra int DEFAULT 7)")
    with followed(source, servers.get(17), SCHEMA, target_schema=target, streaming=True) as made:
        made.write("INSERT INTO t VALUES (0, 'before')")
        with made.source.connect(made.source_database, autocommit=False) as first:
            first.execute(MANY.format("t", 1, 2000).encode())
            first.execute("ALTER TABLE t ADD extra int DEFAULT 7")
            first.execute("UPDATE t SET extra = 5 WHERE id < 1000")
            made.write(MANY.format("other", 1, 2000))
            first.commit()
        made.write("INSERT INTO t VALUES (-1, 'after', 6)")
        made.assert_same()


def test_a_restart_in_the_midst_of_a_streamed_transaction(servers: ServerPool) -> None:
    source = servers.get(15, name="streaming", logical_decoding_work_mem="64kB")
    with followed(source, servers.get(17), SCHEMA, streaming=True) as made:
        with made.source.connect(made.source_database, autocommit=False) as first:
            first.execute(MANY.format("t", 1, 3000).encode())
            made.write("INSERT INTO other VALUES (1, 'meanwhile')")
            made.catch_up()
            made.engine.stop()
            first.execute(MANY.format("t", 3001, 4000).encode())
            made.engine.start()
            made.write("INSERT INTO other VALUES (2, 'meanwhile')")
            made.catch_up()
            first.commit()
        made.assert_same()
