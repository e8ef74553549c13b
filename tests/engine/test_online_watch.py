"""What goes wrong while a database is followed is told, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.events import Direction
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower, watching
from migrations_app.engine.replication.apply import ApplyKind, ApplyState
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, VerificationLevel
from tests.engine.following_online import OnlineMove, moving_online
from tests.engine.validating import PASSWORD, drop_role, new_role
from tests.fixtures.servers import RunningServer, ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
ENGINES = pytest.mark.parametrize("online", [ONLINE, PORTAL], ids=["server to server", "through the portal"])
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text);
INSERT INTO orders (what) SELECT 'order ' || i FROM generate_series(1, 100) i;
"""
ACTING = """
CREATE TABLE acts (what text);
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.acts VALUES (tg_name); RETURN NEW; END $$;
CREATE TRIGGER ordinary AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION act();
CREATE TRIGGER always AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION act();
ALTER TABLE orders ENABLE ALWAYS TRIGGER always;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON orders USING (false);
"""


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)
    monkeypatch.setattr(watching, "COMPARE_SECONDS", 0.5)


@pytest.fixture
def pair(servers: ServerPool) -> tuple[RunningServer, RunningServer]:
    return servers.get(18), servers.get(18, name="target")


@pytest.fixture
def move(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[OnlineMove]:
    """A database that the portal applies, so that somebody keeps looking."""
    with moving_online(*pair, tmp_path, schema=SCHEMA, online=PORTAL) as made:
        yield made


def found(move: OnlineMove, code: str) -> bool:
    return any(finding.code == code for finding in move.log.findings)


def test_complaint_11_lag_is_measured_in_bytes_and_in_seconds(move: OnlineMove) -> None:
    """pgcopydb #518: what another database writes is no lag, and a database where nothing happens is not behind."""
    move.start()
    move.until_caught_up()
    with move.source.fresh_database() as other:
        move.source.psql(
            "CREATE TABLE noise AS SELECT g, repeat('x', 300) FROM generate_series(1, 20000) g", database=other
        )
        looks = len(move.samples)
        move.until(lambda: len(move.samples) > looks + 3)
    assert all((sample.lag_seconds or 0) < 5 for sample in move.samples[looks:])
    sample = move.samples[-1]
    assert sample.lag_bytes < 1024 * 1024
    assert sample.lag_seconds is not None and sample.lag_seconds < 5
    assert sample.retained_wal_bytes is not None and sample.wal_status == "reserved"
    assert sample.source_lsn >= sample.status.applied_lsn > 0


def test_without_consent_nothing_of_ours_is_made_in_the_source(move: OnlineMove) -> None:
    move.online = replace(PORTAL, heartbeat=False)
    move.start()
    move.until_caught_up()
    assert move.samples[-1].lag_seconds is None
    schema = move.source.psql("SELECT to_regnamespace('_migration_portal') IS NULL", database=move.databases[0])
    assert schema == "t"
    move.ask(RequestKind.CUTOVER)
    assert move.wait().succeeded


@ENGINES
def test_a_new_column_lets_the_apply_rest_until_the_target_has_it(move: OnlineMove, online: OnlineOptions) -> None:
    move.online = online
    move.run() if online is ONLINE else move.start()
    if online is ONLINE:
        move.write("ALTER TABLE orders ADD COLUMN extra int")
        move.start()
    else:
        move.until_caught_up()
        move.write("ALTER TABLE orders ADD COLUMN extra int")
    move.until(lambda: any(each.code == "PM4033" and each.fix_sql for each in move.log.findings))
    *_, finding = [each for each in move.log.findings if each.code == "PM4033"]
    assert finding.fix_sql == 'ALTER TABLE "public"."orders" ADD COLUMN "extra" integer;'
    move.until(lambda: move.samples[-1].status.state is ApplyState.PAUSED)
    move.write("INSERT INTO orders (what, extra) VALUES ('with it', 7)")
    move.target.psql(finding.fix_sql, database=move.databases[0])
    move.until_same("orders")


def test_a_table_that_was_made_since_is_named(move: OnlineMove) -> None:
    move.start()
    move.until_caught_up()
    move.write("CREATE TABLE late (id int PRIMARY KEY)")
    move.until(lambda: found(move, "PM4037"))
    move.write("DROP TABLE late")
    move.until(lambda: any("Over: table public.late" in note for note in move.log.notes))


def test_complaint_26_a_slot_that_somebody_dropped_ends_the_database(move: OnlineMove) -> None:
    """PeerDB #3352: the slot is missing after a failover."""
    move.online = ONLINE
    move.run()
    name, database = move.name_of(move.databases[0]), move.databases[0]
    move.target.psql(f"ALTER SUBSCRIPTION {name} DISABLE", database=database)
    drop = (
        f"SELECT pg_drop_replication_slot('{name}') FROM pg_replication_slots WHERE slot_name = '{name}' AND NOT active"
    )
    move.until(lambda: bool(move.source.psql(drop)) or not move.source.psql(drop.replace(" AND NOT active", "")))
    (ended,) = move.run().databases
    assert ended.error is not None and "no replication slot" in ended.error.message


@ENGINES
def test_a_publication_that_somebody_changed_is_told_and_needs_a_full_comparison(
    move: OnlineMove, online: OnlineOptions
) -> None:
    """A change was not sent and nothing shows it any more: numbers of rows are the same, their content is not."""
    move.online = online
    move.start()
    move.until_caught_up()
    name = move.name_of(move.databases[0])
    move.write(f"ALTER PUBLICATION {name} DROP TABLE ONLY orders")
    move.write("UPDATE orders SET what = 'not sent' WHERE id = 1")
    move.write(f"ALTER PUBLICATION {name} ADD TABLE ONLY orders")
    if online is ONLINE:
        move.start()
    move.until(lambda: found(move, "PM4036"))
    quick = move.requests.ask(RequestKind.CUTOVER, move.id_of(move.databases[0]), VerificationLevel.COUNTS)
    move.until(lambda: quick.id in move.requests.ended)
    refused, why = move.requests.ended[quick.id]
    assert not refused and "Somebody changed what the publication" in why and "public.orders" in why
    full, why = move.answer(RequestKind.CUTOVER)
    assert not full and "not the same on both servers" in why


def test_a_slot_that_holds_back_too_much_is_dropped_where_that_was_chosen(move: OnlineMove) -> None:
    move.online = replace(PORTAL, retained_wal_bytes=1, protect_source=True, give_up_wal_bytes=2)
    move.start()
    outcome = move.wait()
    error = outcome.databases[0].error
    assert error is not None and "was given up to protect" in error.message and "Resume" in error.hint
    assert "slot" not in move.left_on(move.source)


@ENGINES
def test_what_the_source_s_triggers_did_is_not_done_again(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path, online: OnlineOptions
) -> None:
    with moving_online(*pair, tmp_path, schema=SCHEMA + ACTING, online=online) as move:
        move.start()
        move.until_caught_up()
        move.write("INSERT INTO orders (what) VALUES ('x')")
        move.until_same("orders")
        assert move.ask(RequestKind.CUTOVER) and move.wait().succeeded
        move.assert_same_dump()


@ENGINES
def test_both_servers_may_be_restarted(servers: ServerPool, tmp_path: Path, online: OnlineOptions) -> None:
    """pgcopydb #885: a dropped connection kills hours of work."""
    source, target = servers.get(18, name="source that is restarted"), servers.get(18, name="target that is restarted")
    with moving_online(source, target, tmp_path, schema=SCHEMA, online=online) as move:
        if online is ONLINE:
            move.run()
        else:
            move.start()
            move.until_caught_up()
        for server in (source, target):
            move.write("INSERT INTO orders (what) VALUES ('before a restart')")
            server.kill()
            server.start()
            move.write("UPDATE orders SET what = 'after it' WHERE id = 1")
        move.until_same("orders")
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded
        move.assert_same_dump()


def test_a_server_that_is_away_costs_nothing_but_time(servers: ServerPool, tmp_path: Path) -> None:
    source, target = servers.get(18, name="source that is restarted"), servers.get(18, name="target that is restarted")
    with moving_online(source, target, tmp_path, schema=SCHEMA, online=ONLINE) as move:
        move.run()
        source.stop()
        away = move.run()
        assert away.look_again_seconds == 10.0 and not away.databases and "Looking again" in move.log.notes[-1]
        source.start()
        assert move.run().look_again_seconds == 10.0 and move.samples


def test_a_large_transaction_is_seen_before_it_arrives(move: OnlineMove) -> None:
    """It is applied when it is over, and nothing can be cut over before that."""
    move.start()
    move.until_caught_up()
    with move.source.connect(move.databases[0]) as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO orders (what) SELECT repeat('x', 500) FROM generate_series(1, 4000)")
        move.write("INSERT INTO orders (what) VALUES ('of somebody else')")
        move.until(lambda: (move.samples[-1].open_bytes or 0) > 2_000_000)
        assert move.samples[-1].lag_bytes < 2_000_000, "what is over is applied"
        session.execute("ROLLBACK")


def test_an_error_of_the_subscription_is_told_in_words(move: OnlineMove) -> None:
    move.online = ONLINE
    move.run()
    assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER
    move.target.psql("INSERT INTO orders VALUES (500, 'in the way')", database=move.databases[0])
    move.write("INSERT INTO orders VALUES (500, 'refused')")
    move.start()
    move.until(lambda: found(move, "PM4035"))
    (finding,) = [each for each in move.log.findings if each.code == "PM4035"]
    assert "ended with an error" in finding.saw and "log of" in finding.fix
    move.target.psql("DELETE FROM orders WHERE id = 500", database=move.databases[0])
    move.until_same("orders")


@pytest.mark.parametrize("engine", [ApplyKind.SERVER_TO_SERVER, ApplyKind.THROUGH_PORTAL])
def test_there_and_back_again(move: OnlineMove, engine: ApplyKind) -> None:
    move.online = replace(ONLINE, fall_back=True, apply=ApplyChoice(engine.value))
    move.start()
    move.until_caught_up()
    refused, why = move.answer(RequestKind.GO_BACK)
    assert not refused and "not cut over yet" in why
    move.ask(RequestKind.CUTOVER)
    move.until(lambda: any(sample.direction is Direction.REVERSE for sample in move.samples))
    assert [each.engine for each in move.started if each.direction is Direction.REVERSE] == [engine]
    move.ask(RequestKind.PAUSE)
    move.target.psql("INSERT INTO orders (what) VALUES ('while it was paused')", database=move.databases[0])
    refused, why = move.answer(RequestKind.GO_BACK)
    assert not refused and "paused" in why and not move.same("orders")
    move.ask(RequestKind.CONTINUE)
    ours = "application_name LIKE 'pgmig%' AND datname = current_database()"
    ended = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {ours}"
    assert move.target.psql(ended, database=move.databases[0]).strip() != "0"
    move.target.psql("INSERT INTO orders (what) VALUES ('on the new one')", database=move.databases[0])
    move.until_same("orders")
    move.ask(RequestKind.GO_BACK)
    move.wait()
    assert move.same("orders")
    assert move.left_on(move.source) == "" and move.left_on(move.target) == ""


def test_a_run_that_takes_over_goes_on_with_the_way_back_that_was_chosen(move: OnlineMove) -> None:
    """A subscription of the way back that somebody dropped is told: a new one would apply changes twice."""
    name, back = move.databases[0], f"{move.name_of(move.databases[0])}_back"
    move.online = replace(ONLINE, fall_back=True)
    move.run()
    move.ask(RequestKind.CUTOVER)
    move.until(lambda: any(sample.direction is Direction.REVERSE for sample in move.samples))
    move.stop()
    move.target.psql("INSERT INTO orders (what) VALUES ('while nobody looked')", database=name)
    move.start()
    move.until(lambda: bool(move.started))
    assert [each.engine for each in move.started] == [ApplyKind.SERVER_TO_SERVER]
    move.until_same("orders")
    move.stop()
    move.source.psql(
        f"SET default_transaction_read_only = off; ALTER SUBSCRIPTION {back} DISABLE;"
        f"ALTER SUBSCRIPTION {back} SET (slot_name = NONE); DROP SUBSCRIPTION {back}",
        database=name,
    )
    assert not move.run().succeeded
    assert [each.message for each in move.log.failures if "no subscription" in each.message]
    move.clean_up()
    assert move.left_on(move.source) == ""


def test_an_old_source_whose_tables_belong_to_others_gets_its_changes_through_the_portal(move: OnlineMove) -> None:
    """A subscription applies as the owner of a table: whoever may not act as that owner cannot have one."""
    (name,), owner, mover = move.databases, new_role(move.source), new_role(move.source, "REPLICATION")
    move.source.psql(
        f"GRANT {owner.name} TO {mover.name} WITH INHERIT TRUE, SET FALSE; GRANT pg_create_subscription TO {mover.name};"
        f"ALTER DATABASE {name} OWNER TO {owner.name}; ALTER SCHEMA public OWNER TO {owner.name};"
        f"ALTER TABLE orders OWNER TO {owner.name}",
        database=name,
    )
    move.target.psql(f"CREATE ROLE {owner.name}")
    move.online, move.source_user = replace(ONLINE, fall_back=True), (mover.name, PASSWORD)
    move.run()
    assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER
    move.start()
    move.ask(RequestKind.CUTOVER)
    move.until(lambda: any(sample.direction is Direction.REVERSE for sample in move.samples))
    (way_back,) = [each for each in move.started if each.direction is Direction.REVERSE]
    assert way_back.engine is ApplyKind.THROUGH_PORTAL and "may not act as the owner" in way_back.reason
    move.target.psql("INSERT INTO orders (what) VALUES ('on the new one')", database=name)
    move.until_same("orders")
    move.ask(RequestKind.FINISH)
    assert move.wait().succeeded
    move.remove()
    for role in (mover, owner):
        drop_role(move.source, role)
    move.target.psql(f"DROP ROLE {owner.name}")


def test_finish_leaves_nothing(move: OnlineMove) -> None:
    move.online = replace(ONLINE, fall_back=True)
    move.run()
    move.ask(RequestKind.CUTOVER)
    refused = "has_database_privilege('pg_monitor', current_database(), 'CONNECT')"
    move.ask(RequestKind.FINISH)
    assert move.wait().succeeded
    assert move.source.psql(f"SELECT {refused}", database=move.databases[0]) == "f", "the old source stays closed"
    move.finished[move.id_of(move.databases[0])] = "identical"
    swept = move.clean_up_again()
    assert [(side, before, left) for side, before, _, left in swept] == [("source", [], []), ("target", [], [])]
    assert move.left_on(move.source) == "" and move.left_on(move.target) == ""
    move.assert_same_dump()
