"""The start of an online migration: what is made on the source, what is chosen, what waits, and what is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.errors import Canceled
from migrations_app.engine.events import Event, Note, Step, StepFinished
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.postgres import sql
from migrations_app.engine.replication import choosing, follower, logical_slot
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.subscription import probe_statement
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, Selection, WithoutIdentity
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import RunningServer, ServerPool
from tests.fixtures.wires import Wire

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text);
INSERT INTO orders (what) SELECT 'order ' || i FROM generate_series(1, 100) i;
CREATE TABLE pile (what text, n int);
INSERT INTO pile SELECT 'a', i FROM generate_series(1, 10) i;
"""


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)


@pytest.fixture
def pair(servers: ServerPool) -> tuple[RunningServer, RunningServer]:
    return servers.get(18), servers.get(18, name="target")


@pytest.fixture
def move(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[OnlineMove]:
    with moving_online(*pair, tmp_path, schema=SCHEMA, online=ONLINE) as made:
        yield made


def test_whole_rows_are_sent_until_the_end_where_that_was_agreed(move: OnlineMove) -> None:
    move.online = replace(ONLINE, without_identity=WithoutIdentity.FULL)
    move.run()
    move.write("UPDATE pile SET what = 'b' WHERE n < 5; DELETE FROM pile WHERE n = 9")
    move.until_same("pile")
    assert (
        move.source.psql("SELECT relreplident FROM pg_class WHERE relname = 'pile'", database=move.databases[0]) == "f"
    )
    move.ask(RequestKind.CUTOVER)
    assert move.wait().succeeded
    for server in (move.source, move.target):
        assert (
            server.psql("SELECT relreplident FROM pg_class WHERE relname = 'pile'", database=move.databases[0]) == "d"
        )
    move.assert_same_dump()


@pytest.mark.parametrize("online", [ONLINE, PORTAL], ids=["server to server", "through the portal"])
def test_the_application_may_change_tables_of_which_only_new_rows_are_followed(
    move: OnlineMove, online: OnlineOptions
) -> None:
    """A source refuses UPDATE of a table without identity as soon as a publication of it publishes updates."""
    move.online = replace(online, without_identity=WithoutIdentity.INSERTS_ONLY)
    move.start()
    move.until_caught_up()
    move.write("INSERT INTO pile VALUES ('new', 11)")
    move.until_same("pile")
    move.write("UPDATE pile SET what = 'never sent' WHERE n = 1")


def test_rows_without_identity_are_copied_again_at_the_cutover(move: OnlineMove) -> None:
    move.run()
    assert any("Copied again at the cutover" in note and "public.pile" in note for note in move.log.notes)
    move.write("UPDATE pile SET what = 'b'")
    move.ask(RequestKind.CUTOVER)
    assert move.wait().succeeded
    move.assert_same_dump()


def test_the_selection_drives_publication_and_copy(move: OnlineMove) -> None:
    """pgcopydb #624, #910: filters and follow."""
    move.write("CREATE SCHEMA other; CREATE TABLE other.left_out (id int PRIMARY KEY)")
    move.selection = Selection(exclude_schemas=("other",), exclude_tables=(("public", "pile"),))
    move.run()
    published = move.source.psql(
        "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY schemaname) FROM pg_publication_tables",
        database=move.databases[0],
    )
    assert published == "_migration_portal.heartbeat public.orders"
    move.write("INSERT INTO other.left_out VALUES (1); INSERT INTO orders VALUES (1000, 'x')")
    move.until_same("orders")


def test_a_target_that_does_not_reach_the_source_lets_the_portal_apply(move: OnlineMove) -> None:
    move.online = replace(ONLINE, source_as_seen_by_target="127.0.0.1:1")
    move.start()
    move.until_caught_up()
    (started,) = move.started
    assert started.engine is ApplyKind.THROUGH_PORTAL
    assert "refused" in started.reason and move.source.password not in started.reason


def test_a_connection_that_is_cut_during_the_trial_changes_nothing(
    move: OnlineMove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign cut it in that moment: a database failed, or the portal applied for weeks."""
    tried: list[float] = []
    with Wire(move.source.port) as wire:

        def cut_first(link: Link) -> sql.Composed:
            if not tried:
                threading.Thread(target=wire.refuse, args=(0.5,)).start()
                time.sleep(0.1)
            tried.append(time.monotonic())
            return probe_statement(link)

        monkeypatch.setattr(choosing, "probe_statement", cut_first)
        move.online = replace(
            ONLINE, apply=ApplyChoice.SERVER_TO_SERVER, source_as_seen_by_target=f"127.0.0.1:{wire.port}"
        )
        move.run()
        assert move.started[0].engine is ApplyKind.SERVER_TO_SERVER and len(tried) == 2


def test_a_wish_that_cannot_be_fulfilled_says_why(move: OnlineMove) -> None:
    move.online = replace(ONLINE, apply=ApplyChoice.SERVER_TO_SERVER, source_as_seen_by_target="127.0.0.1:1")
    (ended,) = move.run().databases
    assert ended.error is not None and "cannot subscribe to" in ended.error.message
    assert move.left_on(move.source) == ""


def test_complaint_4_who_keeps_the_slot_waiting_is_named(move: OnlineMove) -> None:
    """pgcopydb #819: slot creation hangs for hours behind one open transaction, no message."""
    blocker = move.source.connect(move.databases[0], autocommit=False)
    blocker.execute("INSERT INTO orders (what) VALUES ('open')")
    pid = blocker.info.backend_pid
    move.start()
    move.until(lambda: any(f"process {pid} of role postgres" in note for note in move.log.notes))
    blocker.commit()
    move.until_caught_up()
    assert move.same("orders")
    blocker.close()


def test_complaint_4_each_wait_has_an_end_and_leaves_nothing(
    servers: ServerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prepared transaction has no session that could end: it is named, and every attempt lets go of the server."""
    monkeypatch.setattr(logical_slot, "WAIT_SECONDS", 1)
    monkeypatch.setattr(logical_slot, "TELL_AFTER_SECONDS", 0.3)
    source, left = servers.get(14, name="validated-source", max_prepared_transactions=2), list[str]()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%/slot'"
    with moving_online(source, servers.get(18), tmp_path, schema=SCHEMA, online=ONLINE) as move:

        def look(event: Event) -> None:
            if isinstance(event, Note) and "Trying again" in event.message:
                left.append(f"{event.message} {source.psql(ours)} {move.left_on(source)}")

        move.on_event = look
        move.write("BEGIN; INSERT INTO orders (what) VALUES ('open'); PREPARE TRANSACTION 'forgotten'")
        try:
            move.start()
            move.until(lambda: bool(left))
            assert any("prepared transaction 'forgotten' of role postgres" in note for note in move.log.notes)
            assert "lock timeout" in left[0] and " 0 publication" in left[0] and "slot pgmig" not in left[0]
        finally:
            move.write("COMMIT PREPARED 'forgotten'")
        move.until_caught_up()
        assert move.same("orders")


def test_complaint_4_a_canceled_wait_leaves_no_walsender_and_no_slot(move: OnlineMove) -> None:
    blocker = move.source.connect(move.databases[0], autocommit=False)
    blocker.execute("INSERT INTO orders (what) VALUES ('open')")
    move.start()
    move.until(lambda: any("waits for the end of transactions" in note for note in move.log.notes))
    move.control.stop(Canceled("A person canceled."))
    assert move.thread is not None
    move.thread.join(20)
    assert isinstance(move.error, Canceled)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%'"
    deadline = time.monotonic() + 10
    while move.source.psql(ours) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    blocker.close()
    move.clean_up()
    assert move.left_on(move.source) == ""


def test_a_copy_that_was_cut_off_goes_on_with_a_new_slot(move: OnlineMove) -> None:
    """What was copied and is the same in the new snapshot stays; the rest is copied again."""

    def stop_after_copy(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step is Step.SCHEMA:
            move.write("UPDATE orders SET what = 'meanwhile' WHERE id = 1")
            move.control.stop(Canceled("The process was killed."))

    move.on_event = stop_after_copy
    with pytest.raises(Canceled):
        move.run()
    move.on_event = None
    move.write("DELETE FROM orders WHERE id = 2")
    assert move.run().look_again_seconds
    assert move.same("orders") and len(move.started) == 1


def test_a_complete_copy_keeps_its_slot(move: OnlineMove) -> None:
    def stop_after_copy(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step is Step.COPY:
            move.control.stop(Canceled("The process was killed."))

    move.on_event = stop_after_copy
    with pytest.raises(Canceled):
        move.run()
    move.on_event = None
    move.write("UPDATE orders SET what = 'meanwhile' WHERE id = 1; INSERT INTO orders (what) VALUES ('more')")
    assert move.run().look_again_seconds and not move.started
    move.until_same("orders")


def test_a_clean_up_leaves_nothing_on_either_server(move: OnlineMove) -> None:
    move.online = replace(ONLINE, without_identity=WithoutIdentity.FULL)
    move.run()
    move.clean_up()
    for server in (move.source, move.target):
        assert move.left_on(server) == ""
    look = "SELECT to_regnamespace('_migration_portal') IS NULL, (SELECT relreplident FROM pg_class WHERE relname = 'pile')"
    assert move.source.psql(look, database=move.databases[0]) == "t|d"
    move.clean_up()


def test_our_publication_is_not_restored_and_that_of_the_user_is(move: OnlineMove) -> None:
    move.write("CREATE PUBLICATION theirs FOR TABLE orders")
    move.run()
    found = move.target.psql("SELECT string_agg(pubname, ' ') FROM pg_publication", database=move.databases[0])
    assert found == "theirs"


@pytest.mark.parametrize("engine", [ApplyChoice.SERVER_TO_SERVER, ApplyChoice.THROUGH_PORTAL])
def test_complaint_26_a_lost_slot_costs_only_what_changed(move: OnlineMove, engine: ApplyChoice) -> None:
    """Resume: a new slot; tables that are the same in its snapshot stay, the others are copied again."""
    move.online = replace(ONLINE, apply=engine)
    move.write(
        "CREATE TABLE kept (id int PRIMARY KEY REFERENCES orders); INSERT INTO kept SELECT id FROM orders WHERE id < 9;"
        "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO pile VALUES ('by trigger', NEW.id); RETURN NEW; END $$;"
        "CREATE TRIGGER twice AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION twice();"
        "ALTER TABLE orders ENABLE ALWAYS TRIGGER twice"
    )
    move.start()
    move.until_caught_up()
    move.write("INSERT INTO orders (what) VALUES ('followed')")
    move.until_same("orders")
    move.stop()
    move.clean_up()
    assert move.left_on(move.source) == "" and move.left_on(move.target) == ""
    move.write("INSERT INTO orders (what) VALUES ('nobody followed'); DELETE FROM orders WHERE id = 50")
    move.start()
    move.until_caught_up()
    assert any("is gone" in note for note in move.log.notes)
    # The source's rows of these tables changed: orders, pile (by the trigger). What did not change stays.
    assert any("1 tables copied before are identical in it and stay; 2 changed" in note for note in move.log.notes)
    move.write("INSERT INTO orders (what) VALUES ('followed again')")
    move.until_same("orders", "kept")
    move.ask(RequestKind.CUTOVER)
    assert move.wait().succeeded and not move.log.differences
    move.assert_same_dump()
