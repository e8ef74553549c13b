"""Who brings the changes of the new target back to the old source: a subscription where one works, else the portal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.events import Direction, ReplicationStarted
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication import fall_back, follower
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.choosing import ForeignTable, read_foreign_tables
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.cutting_over import wait_until
from tests.engine.following_online import ListedRequests, OnlineMove, moving_online
from tests.engine.validating import drop_role, new_role
from tests.fixtures.servers import RunningServer, ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0, fall_back=True)
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text);
INSERT INTO orders (what) SELECT 'order ' || i FROM generate_series(1, 100) i;
"""
WRITE = "INSERT INTO orders (what) VALUES ('on the new one')"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)


def way_back_of(move: OnlineMove) -> ReplicationStarted:
    """Cut over, and return what is told of the way back."""
    move.start()
    move.until_caught_up()
    move.ask(RequestKind.CUTOVER)
    return begun(move)


def begun(move: OnlineMove) -> ReplicationStarted:
    """Wait until the way back is told, and return that."""
    back: Callable[[], list[ReplicationStarted]] = lambda: [  # noqa: E731
        each for each in move.started if each.direction is Direction.REVERSE
    ]
    move.until(lambda: bool(back()))
    return back()[-1]


def subscriptions(server: RunningServer, move: OnlineMove) -> str:
    """Those of ours, with the passwords that they keep."""
    names = (
        "SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()"
    )
    return server.psql(names, database=move.databases[0]).strip()


def test_a_truncate_comes_back_to_a_source_that_knows_no_replicated_truncate(
    servers: ServerPool, tmp_path: Path
) -> None:
    """A subscription of 10 ends at it for ever."""
    with moving_online(servers.get(10), servers.get(15), tmp_path, schema=SCHEMA, online=ONLINE) as move:
        back = way_back_of(move)
        assert back.engine is ApplyKind.THROUGH_PORTAL and "TRUNCATE" in back.reason
        move.target.psql(f"{WRITE}; TRUNCATE orders; {WRITE}", database=move.databases[0])
        move.until_same("orders")
        move.ask(RequestKind.GO_BACK)
        assert move.wait() and move.same("orders")


def test_a_subscription_that_does_not_begin_to_work_gives_way_to_the_portal(
    servers: ServerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial cannot show that a worker is free."""
    monkeypatch.setattr(fall_back, "WORKS_WITHIN_SECONDS", 4.0)
    with (
        servers.fresh(18, wal_level="logical", max_logical_replication_workers=0) as source,
        moving_online(source, servers.get(18, name="target"), tmp_path, schema=SCHEMA, online=ONLINE) as move,
    ):
        back = way_back_of(move)
        assert back.engine is ApplyKind.THROUGH_PORTAL and "did not begin to work" in back.reason
        assert subscriptions(source, move) == ""
        move.target.psql(WRITE, database=move.databases[0])
        move.until_same("orders")
        move.ask(RequestKind.FINISH)
        assert move.wait().succeeded and move.left_on(source) == ""


def test_what_the_portal_began_it_goes_on_with(servers: ServerPool, tmp_path: Path) -> None:
    """A note of an older portal says nothing of the way back; a subscription would apply again what was applied."""
    portal = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=SCHEMA, online=portal) as move:
        way_back_of(move)
        move.target.psql(WRITE, database=move.databases[0])
        move.until_same("orders")
        move.stop()
        marker = "_migration_portal.marker WHERE kind = 'replication'"
        note = json.loads(move.target.psql(f"SELECT detail FROM {marker}", database=move.databases[0]))
        old = json.dumps({key: value for key, value in note.items() if not key.startswith("back")})
        move.target.psql(
            f"UPDATE _migration_portal.marker SET detail = $note${old}$note$ WHERE kind = 'replication'",
            database=move.databases[0],
        )
        move.online = ONLINE
        move.start()
        assert begun(move).engine is ApplyKind.THROUGH_PORTAL
        move.target.psql(WRITE, database=move.databases[0])
        move.until_same("orders")


def test_a_way_back_without_its_target_leaves_no_password_behind(servers: ServerPool, tmp_path: Path) -> None:
    """Somebody dropped the new database; the old source would go on to knock with the target's password."""
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=SCHEMA, online=ONLINE) as move:
        assert way_back_of(move).engine is ApplyKind.SERVER_TO_SERVER
        assert "_back" in subscriptions(move.source, move)
        move.stop()
        name = move.databases[0]
        of_it = f"FROM pg_replication_slots WHERE database = '{name}'"
        move.source.psql(
            f"SET default_transaction_read_only = off; ALTER SUBSCRIPTION {move.name_of(name)}_back DISABLE",
            database=name,
        )
        wait_until(lambda: move.target.psql(f"SELECT count(*) {of_it} AND active").strip() == "0")
        move.target.psql(f"SELECT pg_drop_replication_slot(slot_name) {of_it}")
        move.target.drop_database(name)
        move.clean_up()
        assert subscriptions(move.source, move) == ""


@pytest.mark.parametrize("major", [11, 15, 18])
def test_partitions_of_another_owner_are_no_place_for_a_subscription(servers: ServerPool, major: int) -> None:
    """It applies as the owner of the partitioned table, who may have no right to write there."""
    server = servers.get(major)
    owner = new_role(server)
    with server.fresh_database() as name, server.connect(name) as connection:
        connection.execute(
            "CREATE TABLE days (day int, hour int) PARTITION BY RANGE (day);"
            "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (1) TO (9) PARTITION BY RANGE (hour);"
            'CREATE TABLE "days 1 a" PARTITION OF days_1 FOR VALUES FROM (0) TO (24); CREATE TABLE alone (id int)'
        )
        asked = {"schemas": ["public", "public"], "names": ["days", "alone"]}
        assert read_foreign_tables(connection, **asked) == []
        connection.execute(f'ALTER TABLE "days 1 a" OWNER TO {owner.name}')
        assert read_foreign_tables(connection, **asked) == [ForeignTable('public."days 1 a"', owner.name)]
        connection.execute(f"DROP OWNED BY {owner.name}")
    drop_role(server, owner)


class Dying(ListedRequests):
    """The run dies as it is about to say that something was done."""

    dies_at: RequestKind | None = None

    def end(self, request: PersonRequest, *, succeeded: bool, message: str = "") -> None:
        if request.kind is self.dies_at:
            self.dies_at = None
            raise LeaseLost("The worker died.")
        super().end(request, succeeded=succeeded, message=message)


@pytest.mark.parametrize("kind", [RequestKind.CUTOVER, RequestKind.GO_BACK])
def test_what_was_done_is_told_by_the_next_run(servers: ServerPool, tmp_path: Path, kind: RequestKind) -> None:
    """A request whose run died after the deed was told not to be done, while the target was open."""
    with moving_online(servers.get(18), servers.get(18, name="target"), tmp_path, schema=SCHEMA, online=ONLINE) as move:
        move.requests = requests = Dying()
        move.start()
        move.until_caught_up()
        if kind is RequestKind.GO_BACK:
            move.ask(RequestKind.CUTOVER)
            begun(move)
        requests.dies_at = kind
        request = requests.ask(kind, move.id_of(move.databases[0]))
        while requests.dies_at is not None:
            if move.thread is None or not move.thread.is_alive():
                move.start()
            time.sleep(0.1)
        assert move.thread is not None
        move.thread.join(30)
        assert request.id not in requests.ended
        move.start()
        wait_until(lambda: request.id in requests.ended)
        assert requests.ended[request.id] == (True, "It was done when a run before this one was interrupted.")
        if kind is RequestKind.CUTOVER:
            move.ask(RequestKind.FINISH)
        move.wait()
