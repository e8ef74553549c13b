"""Every major as a source, and a workload that is hard to follow, by either engine.

What the mission names, source to target, to a cutover (p: by the portal, else by a subscription):

    10 to 15, 12 to 17, 14 to 18, 16 to 17, 17 to 18            here
    10 to 17 p, 12 to 15 p, 14 to 17 p, 16 to 18 p, 18 to 18 p  test_cutover_versions.py, and back again
    15 to 18, 15 to 18 p, 17 to 18, 17 to 18 p, 18 to 18        here, test_online_follow.py, test_cutover_under_load.py
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import moving_online
from tests.engine.validating import PASSWORD, drop_role, new_role
from tests.fixtures.servers import ServerPool
from tests.fixtures.workload import Workload, fill

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text);
INSERT INTO orders (what) SELECT 'order ' || i FROM generate_series(1, 100) i;
CREATE TABLE pile (what text);
"""
SPREAD = """
CREATE TYPE mood AS ENUM ('calm', 'busy', 'odd', 'even');
CREATE TABLE people (id int, mood mood, PRIMARY KEY (id, mood)) PARTITION BY HASH (mood);
CREATE TABLE people_0 PARTITION OF people FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE people_1 PARTITION OF people FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO people SELECT i, 'calm' FROM generate_series(1, 20) i;
INSERT INTO people SELECT i, 'odd' FROM generate_series(1, 20) i;
"""


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)


@pytest.mark.parametrize(("before", "after"), [(10, 15), (12, 17), (14, 18), (16, 17), (17, 18)])
def test_every_major_is_followed_and_cut_over(servers: ServerPool, tmp_path: Path, before: int, after: int) -> None:
    with moving_online(servers.get(before), servers.get(after), tmp_path, schema=SCHEMA, online=ONLINE) as move:
        move.run()
        assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER
        move.write("UPDATE orders SET what = 'changed' WHERE id < 10; DELETE FROM orders WHERE id = 50")
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded
        assert move.same("orders") and move.left_on(move.source) == ""


@pytest.mark.parametrize(("major", "online"), [(15, ONLINE), (18, PORTAL)], ids=["15 to 18", "18 through the portal"])
def test_a_hard_workload_loses_nothing(servers: ServerPool, tmp_path: Path, major: int, online: OnlineOptions) -> None:
    source, target = servers.get(major), servers.get(18, name="target")
    with moving_online(source, target, tmp_path, schema="SELECT", online=online) as move:
        (name,) = move.databases
        fill(source, name)
        if online is ONLINE:  # json has no equality, and a subscription cannot find such a row again
            move.write("ALTER TABLE shop.log REPLICA IDENTITY NOTHING")
        with Workload(source.cluster.conninfo(database=name), seed=major, pause_seconds=0.02) as workload:
            move.start()
            move.until_caught_up()
            time.sleep(1)
            move.ask(RequestKind.CUTOVER)
            assert workload.acknowledged > 50
        assert move.wait().succeeded, move.log.differences
        assert workload.missing_on(target, name) == []
        if major == target.major:  # else pg_dump prints views in other words
            move.assert_same_dump()


def test_complaint_24_whole_rows_with_json_are_applied_by_the_portal(servers: ServerPool, tmp_path: Path) -> None:
    """PlanetScale's pgcopydb PR #28: a subscription loops on "could not identify an equality operator"."""
    schema = "CREATE TABLE log (line json); ALTER TABLE log REPLICA IDENTITY FULL; INSERT INTO log VALUES ('{}')"
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=schema) as move:
        move.start()
        move.until_caught_up()
        assert move.started[0].engine is ApplyKind.THROUGH_PORTAL and "public.log" in move.started[0].reason
        move.write("DELETE FROM log")
        move.until_same("log")


def test_rows_that_may_belong_to_another_partition_go_through_the_root(servers: ServerPool, tmp_path: Path) -> None:
    online = ONLINE
    with moving_online(servers.get(15), servers.get(18), tmp_path, schema=SPREAD, online=online) as move:
        move.run()
        move.write("UPDATE people SET mood = 'busy' WHERE id < 5 AND mood = 'calm'; DELETE FROM people WHERE id = 7")
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded, move.log.differences
        assert move.same("people")


def test_an_administrator_of_few_rights_is_followed_by_the_portal_or_the_target(
    servers: ServerPool, tmp_path: Path
) -> None:
    """On 16 and newer a member of pg_create_subscription subscribes; anybody else lets the portal apply."""
    source, target = servers.get(17), servers.get(18)
    for grant, kind in (("SELECT", ApplyKind.THROUGH_PORTAL), ("GRANT", ApplyKind.SERVER_TO_SERVER)):
        reader, admin = new_role(source, "REPLICATION"), new_role(target, "CREATEROLE CREATEDB")
        if grant == "GRANT":
            target.psql(f"GRANT pg_create_subscription TO {admin.name}")
        with moving_online(
            source,
            target,
            tmp_path,
            schema=SCHEMA,
            online=ONLINE,
            source_user=(reader.name, PASSWORD),
            target_user=(admin.name, PASSWORD),
        ) as move:
            (name,) = move.databases
            source.psql(
                f"ALTER DATABASE {name} OWNER TO {reader.name}; ALTER TABLE orders OWNER TO {reader.name};"
                f"ALTER TABLE pile OWNER TO {reader.name}; ALTER SCHEMA public OWNER TO {reader.name}",
                database=name,
            )
            move.start()
            move.until_caught_up()
            assert move.started[0].engine is kind, move.started[0].reason
            move.write("UPDATE orders SET what = 'changed' WHERE id < 10")
            move.until_same("orders")
        drop_role(source, reader)
        target.psql(
            f"DROP OWNED BY {reader.name}, {admin.name} CASCADE; DROP ROLE IF EXISTS {reader.name}, {admin.name}"
        )
