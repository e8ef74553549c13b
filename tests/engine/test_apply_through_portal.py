"""Every kind of change arrives as it was made: the portal's own apply engine, on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.replication.apply import ApplyKind, ApplyState
from tests.engine.applying import Followed, followed
from tests.fixtures.servers import ServerPool

SCHEMA = """
CREATE TABLE plain (id int PRIMARY KEY, a text, b int);
CREATE TABLE pair (x int, y text, v text, PRIMARY KEY (x, y));
CREATE TABLE everything (id int PRIMARY KEY, v text);
"""


@pytest.fixture(scope="module")
def simple(servers: ServerPool) -> Iterator[Followed]:
    with followed(servers.get(15), servers.get(18), SCHEMA) as made:
        yield made


def test_inserts_updates_and_deletes_arrive(simple: Followed) -> None:
    simple.write(
        "INSERT INTO plain SELECT g, 'row ' || g, g % 7 FROM generate_series(1, 500) g",
        "UPDATE plain SET a = a || '!', b = NULL WHERE id % 3 = 0",
        "DELETE FROM plain WHERE id % 5 = 0",
        "INSERT INTO pair SELECT g, 'y' || g, NULL FROM generate_series(1, 50) g",
        "UPDATE pair SET v = 'set' WHERE x < 20",
        "DELETE FROM pair WHERE x > 40",
    )
    simple.assert_same("plain", "pair")
    assert simple.engine.kind is ApplyKind.THROUGH_PORTAL
    assert simple.applied_counts() == {"inserts": 550, "updates": 166 + 19, "deletes": 100 + 10, "truncates": 0}
    assert simple.engine.status().state is ApplyState.APPLYING


def test_what_happens_to_one_row_within_a_transaction(simple: Followed) -> None:
    simple.write(
        """
        BEGIN;
        INSERT INTO everything VALUES (1, 'new'), (2, 'new'), (3, 'stays');
        UPDATE everything SET v = 'changed' WHERE id = 1;
        DELETE FROM everything WHERE id = 2;
        INSERT INTO everything VALUES (2, 'again');
        DELETE FROM everything WHERE id = 3;
        COMMIT;
        """,
        """
        BEGIN;
        DELETE FROM everything WHERE id = 1;
        INSERT INTO everything VALUES (1, 'reborn');
        UPDATE everything SET v = v || ' and changed' WHERE id = 1;
        UPDATE everything SET v = 'doomed' WHERE id = 2;
        DELETE FROM everything WHERE id = 2;
        COMMIT;
        """,
    )
    simple.assert_same("everything")


def test_keys_change(simple: Followed) -> None:
    simple.write(
        "TRUNCATE plain",
        "INSERT INTO plain SELECT g, 'k' || g, g FROM generate_series(1, 300) g",
        "UPDATE plain SET id = id + 1000 WHERE id <= 100",
        "BEGIN; UPDATE plain SET id = 9999 WHERE id = 200; UPDATE plain SET id = 200 WHERE id = 201;"
        "UPDATE plain SET id = 201 WHERE id = 9999; UPDATE plain SET a = 'later' WHERE id IN (200, 201, 250); COMMIT",
        "UPDATE pair SET y = y || ' moved', v = 'moved' WHERE x % 2 = 0",
    )
    simple.assert_same("plain", "pair")


def test_unique_values_change_places(servers: ServerPool) -> None:
    schema = "CREATE TABLE seat (id int PRIMARY KEY, place int UNIQUE, name text)"
    with followed(servers.get(15), servers.get(18), schema) as made:
        made.write(
            "INSERT INTO seat SELECT g, g, 'p' || g FROM generate_series(1, 20) g",
            "BEGIN; UPDATE seat SET place = 100 WHERE id = 1; UPDATE seat SET place = 1 WHERE id = 2;"
            "UPDATE seat SET place = 2 WHERE id = 1; COMMIT",
        )
        made.assert_same("seat")


def test_values_that_copy_and_arrays_would_escape(simple: Followed) -> None:
    nasty = r"""E'tab\there', E'line\nfeed', E'back\\slash', E'cr\r', '\N', '', 'NULL', '{"a",b}', '"', '''', E'\\.'"""
    simple.write(
        f"INSERT INTO plain SELECT 5000 + n, v, n FROM unnest(ARRAY[{nasty}, NULL]) WITH ORDINALITY AS x (v, n)",
        "INSERT INTO plain SELECT 6000 + g, CASE g % 3 WHEN 0 THEN NULL WHEN 1 THEN E'a\\tb\\\\N' ELSE 'plain' END, g"
        " FROM generate_series(1, 500) g",
        f"UPDATE plain SET a = x.v FROM unnest(ARRAY[{nasty}, NULL]) WITH ORDINALITY AS x (v, n) WHERE id = 6000 + n",
        "DELETE FROM plain WHERE id BETWEEN 6400 AND 6450",
    )
    simple.assert_same("plain")


def test_a_transaction_larger_than_the_memory(servers: ServerPool) -> None:
    with followed(servers.get(15), servers.get(18), SCHEMA, memory_bytes=400_000) as made:
        made.write(
            "INSERT INTO plain SELECT g, repeat('x', 100), g FROM generate_series(1, 30000) g",
            "BEGIN; UPDATE plain SET a = 'second ' || id; DELETE FROM plain WHERE id % 2 = 0;"
            "INSERT INTO everything SELECT g, 'v' FROM generate_series(1, 5000) g; COMMIT",
        )
        made.assert_same()


def test_savepoints_rollbacks_and_empty_transactions(simple: Followed) -> None:
    simple.write(
        "TRUNCATE everything",
        "BEGIN; INSERT INTO everything VALUES (1, 'a'); SAVEPOINT s; INSERT INTO everything VALUES (2, 'gone');"
        "ROLLBACK TO s; INSERT INTO everything VALUES (3, 'c'); COMMIT",
        "BEGIN; INSERT INTO everything VALUES (4, 'never'); ROLLBACK",
        "BEGIN; SELECT txid_current(); COMMIT",
        "DO $$ BEGIN FOR i IN 10..60 LOOP BEGIN INSERT INTO everything VALUES (i, 'sub');"
        "IF i % 2 = 0 THEN RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$",
    )
    simple.assert_same("everything")


def test_pause_stop_and_go_on(servers: ServerPool) -> None:
    with followed(servers.get(15), servers.get(18), SCHEMA) as made:
        made.write("INSERT INTO plain SELECT g, 'a', 1 FROM generate_series(1, 100) g")
        made.catch_up()
        made.engine.pause()
        assert made.engine.status().state is ApplyState.PAUSED
        made.write("UPDATE plain SET a = 'b'")
        assert made.on_target.execute("SELECT count(*) FROM plain WHERE a = 'b'").fetchone() == (0,)
        made.engine.start()
        made.assert_same("plain")
        made.engine.stop()
        made.write("DELETE FROM plain WHERE id < 10")
        later = made.another_engine()
        assert later.status().state is ApplyState.PAUSED
        assert later.status().updates == 100
        later.start()
        made.assert_same("plain")
        later.remove()
        later.remove()
        assert made.on_target.execute("SELECT to_regnamespace('_migration_portal')").fetchone() == (None,)


def test_a_backlog_is_committed_as_it_goes(servers: ServerPool) -> None:
    """Whatever a batch holds when it is full: the position moves at the next end of a transaction, not at the last."""
    plain = "CREATE TABLE wide (id int PRIMARY KEY, a text);"
    noting = "CREATE TABLE wide (id int PRIMARY KEY, a text, arrived xid8 DEFAULT pg_current_xact_id());"
    with followed(
        servers.get(15), servers.get(18), plain, target_schema=noting, memory_bytes=8 * 20_000, start=False
    ) as made:
        insert = "INSERT INTO wide SELECT {} * 100 + g, repeat('x', 500) FROM generate_series(1, 60) g"
        made.write(*(insert.replace("{}", str(number)) for number in range(200)))
        made.engine.start()
        made.catch_up()
        found = made.on_target.execute("SELECT count(*), count(DISTINCT arrived) FROM wide").fetchone()
    assert found is not None and found[0] == 12_000 and found[1] > 100, found
