"""What a cutover brings in step behind the fence: sequences, large objects, tables that nobody follows, what sleeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_app.engine.errors import Canceled
from migrations_app.engine.events import CheckResult, CutoverStepStarted, Direction, Event, ObjectVerified
from migrations_app.engine.large_objects import copy_content
from migrations_app.engine.postgres import Connection
from migrations_app.engine.replication import large_object_delta
from migrations_app.engine.replication.cutover_notes import CutoverNotes
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.plan import Treatment
from migrations_app.engine.replication.sequences_ahead import ahead
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from migrations_app.engine.target.finish import forget_notes
from migrations_app.engine.verification import SequenceState
from tests.engine.cutting_over import SCHEMA, TABLES, Followed, followed, wait_until
from tests.fixtures.servers import RunningServer

SEQUENCES = """
CREATE SEQUENCE counts_down INCREMENT BY -5 MINVALUE -1000000; SELECT setval('counts_down', -100);
CREATE SEQUENCE near_its_end MAXVALUE 110; SELECT setval('near_its_end', 100);
CREATE SEQUENCE goes_round MAXVALUE 12 CYCLE; SELECT setval('goes_round', 12);
CREATE SEQUENCE never_used START 7;
CREATE SEQUENCE cached CACHE 50; SELECT nextval('cached');
CREATE TABLE given_by_hand (id serial PRIMARY KEY); INSERT INTO given_by_hand VALUES (5000);
"""
ODD_TABLES = """
CREATE UNLOGGED TABLE parents (id int PRIMARY KEY); CREATE UNLOGGED TABLE children (parent int REFERENCES parents);
INSERT INTO parents SELECT generate_series(1, 5); INSERT INTO children SELECT generate_series(1, 5);
CREATE TABLE parts (kind text, n int, twice int GENERATED ALWAYS AS (n * 2) STORED) PARTITION BY LIST (kind);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); CREATE TABLE parts_b PARTITION OF parts DEFAULT;
INSERT INTO parts (kind, n) VALUES ('a', 1), ('b', 2);
CREATE TABLE watched (n int); INSERT INTO watched VALUES (1);
CREATE TABLE fired (what text);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.fired VALUES (TG_OP); NEW.n := NEW.n * 1000; RETURN NEW; END $$;
CREATE TRIGGER ordinary BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER always BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fire();
ALTER TABLE watched ENABLE ALWAYS TRIGGER always;
ALTER TABLE watched ENABLE ROW LEVEL SECURITY; ALTER TABLE watched FORCE ROW LEVEL SECURITY;
"""


def state(*, last: int, increment: int = 1, low: int = 1, high: int = 2**31 - 1, called: bool = True) -> SequenceState:
    return SequenceState("int4", 1, increment, low, high, 1, False, None, last, called, False)


@pytest.mark.parametrize(
    ("before", "headroom", "after"),
    [
        (state(last=41), 1000, 1041),
        (state(last=41), 0, 41),
        (state(last=-100, increment=-5, low=-1000000, high=-1), 10, -150),
        (state(last=100, high=110), 1000, 105),
        (state(last=110, high=110), 1000, 110),
        (state(last=7, called=False), 1000, 7),
        (state(last=10, increment=10, high=100), 1000, 50),
    ],
)
def test_sequences_skip_values_but_never_to_their_end(before: SequenceState, headroom: int, after: int) -> None:
    assert ahead(before, headroom=headroom).last_value == after


def test_complaint_10_every_sequence_is_ahead_in_its_own_direction(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    """The next value of each is beyond what was handed out; whatever is found at the end, and in a second attempt."""
    tables = (*TABLES, ("given_by_hand", Treatment.FOLLOW))
    with followed(*pair, tmp_path, schema=SCHEMA + SEQUENCES, tables=tables) as shop:
        shop.online = OnlineOptions(sequence_headroom=100)
        shop.source.psql("INSERT INTO ledger (account, amount) VALUES (1, 5)", database=shop.database)
        with pytest.raises(Canceled):
            shop.cut_over(on_event=lambda event: _cancel_at_the_comparison(shop, event))
        assert "sequences" in shop.steps and shop.log.ended[-1].result is CutoverResult.UNDONE
        shop.target.psql("CREATE FUNCTION only_here() RETURNS int LANGUAGE sql AS 'SELECT 1'", database=shop.database)
        ended = shop.cut_over()
        assert ended.result is CutoverResult.DONE, ended
        assert any("only_here" in each.name for each in shop.log.differences), "told, and no reason to fail"

        def value(name: str) -> str:
            return shop.target.psql(f"SELECT last_value, is_called FROM {name}", database=shop.database)

        assert value("ledger_id_seq") == "1101|t"
        assert value("counts_down") == "-600|t"
        assert value("near_its_end") == "105|t"
        assert value("goes_round") == "12|t"
        assert value("never_used") == "7|f"
        assert value("cached") == "150|t"
        assert value("given_by_hand_id_seq") == "1|f"
        assert "2 of them near the end" in shop.detail("sequences")
        sequences = [e for e in shop.log.events if isinstance(e, ObjectVerified) and e.object_class == "sequence"]
        assert {e.result for e in sequences} == {CheckResult.IDENTICAL}
        assert len(sequences) == 8


def _cancel_at_the_comparison(shop: Followed, event: Event) -> None:
    if isinstance(event, CutoverStepStarted) and event.step == "verify":
        shop.control.stop(Canceled("Somebody canceled."))


def test_tables_that_nobody_follows_are_filled_anew(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> None:
    """Those that refer to each other at once, partitions, and without a trigger firing or a policy filtering."""
    again = ("parents", "children", "parts_a", "parts_b", "watched")
    tables = (*TABLES, ("fired", Treatment.FOLLOW), *((name, Treatment.COPY_AT_CUTOVER) for name in again))
    with followed(*pair, tmp_path, schema=SCHEMA + ODD_TABLES, tables=tables) as shop:
        shop.source.psql(
            "TRUNCATE children; DELETE FROM parents WHERE id < 4; INSERT INTO parents VALUES (9);"
            "INSERT INTO children VALUES (9), (4); UPDATE parts SET kind = 'a' WHERE n = 2;"
            "INSERT INTO parts (kind, n) VALUES ('c', 3);"
            "ALTER TABLE watched DISABLE TRIGGER ordinary, DISABLE TRIGGER always; INSERT INTO watched VALUES (2);"
            "ALTER TABLE watched ENABLE TRIGGER ordinary, ENABLE ALWAYS TRIGGER always",
            database=shop.database,
        )
        ended = shop.cut_over()
        assert ended.result is CutoverResult.DONE, ended
        assert shop.detail("tables").startswith("7 tables, ")
        for table in (*again, "fired"):
            assert shop.same(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t"), table
        for catalog in (
            "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
            "SELECT relname, relforcerowsecurity FROM pg_class WHERE relname = 'watched'",
        ):
            assert shop.same(catalog)


def test_large_objects_that_changed_are_brought_in_step(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    """Complaint 16: new, changed and removed ones, and their owners, grants and comments."""
    with followed(*pair, tmp_path) as shop:
        for server in pair:
            if server.psql("SELECT count(*) FROM pg_roles WHERE rolname = 'lo_reader'") == "0":
                server.psql("CREATE ROLE lo_reader")
        shop.source.psql(
            "SELECT lo_unlink(4711), lo_put(4712, 0, 'TWO'), lo_from_bytea(4714, repeat('x', 5000000)::bytea);"
            "GRANT SELECT ON LARGE OBJECT 4713 TO lo_reader; COMMENT ON LARGE OBJECT 4714 IS 'the fourth';"
            "ALTER LARGE OBJECT 4714 OWNER TO lo_reader",
            database=shop.database,
        )
        ended = shop.cut_over()
        assert ended.result is CutoverResult.DONE, ended
        assert shop.same("SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1")
        assert shop.same("SELECT oid, lomacl, pg_get_userbyid(lomowner) FROM pg_largeobject_metadata ORDER BY 1")
        assert shop.same("SELECT obj_description(4714, 'pg_largeobject')")
        assert shop.detail("large_objects") == "3 compared (5,000,008 bytes): 0 new, 0 changed, 0 removed"


def test_large_objects_that_go_while_they_are_copied_do_not_stop_a_cutover(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is brought in step ahead of the fence is brought in step while the application works."""
    with followed(*pair, tmp_path) as shop:
        shop.source.psql("SELECT lo_from_bytea(4714, 'four'), lo_put(4712, 0, 'TWO')", database=shop.database)
        removed: list[int] = []

        def removed_meanwhile(source: Connection, target: Connection, oid: int) -> None:
            if oid not in removed:
                removed.append(oid)
                shop.source.psql(f"SELECT lo_unlink({oid})", database=shop.database)
            copy_content(source, target, oid)

        monkeypatch.setattr(large_object_delta, "copy_content", removed_meanwhile)
        ended = shop.cut_over()
        assert ended.result is CutoverResult.DONE, ended
        assert sorted(removed) == [4712, 4714]
        assert shop.same("SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1")


def test_what_slept_is_awake_when_the_target_opens(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> None:
    schema = SCHEMA + (
        "CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " CREATE TABLE IF NOT EXISTS public.seen (what text); INSERT INTO public.seen VALUES (tg_tag); END $$;"
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
        "CREATE TRIGGER touched BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION touch();"
        "ALTER TABLE ledger ENABLE ALWAYS TRIGGER touched;"
    )
    with followed(*pair, tmp_path, schema=schema) as shop:
        shop.target.psql(
            "CREATE EVENT TRIGGER watch_ddl ON ddl_command_end WHEN TAG IN ('DROP SCHEMA', 'DROP PUBLICATION')"
            " EXECUTE FUNCTION see(); ALTER EVENT TRIGGER watch_ddl DISABLE;"
            "ALTER TABLE ledger DISABLE TRIGGER touched;"
            """INSERT INTO _migration_portal.marker VALUES ('event trigger', 'watch_ddl', 'O'),
               ('guard', '["trigger", "public", "ledger", "touched"]', 'A')""",
            database=shop.database,
        )
        shop.source.psql(
            "CREATE EVENT TRIGGER watch_ddl ON ddl_command_end WHEN TAG IN ('DROP SCHEMA', 'DROP PUBLICATION')"
            " EXECUTE FUNCTION see()",
            database=shop.database,
        )
        ended = shop.cut_over()
        assert ended.result is CutoverResult.DONE, ended
        assert CutoverNotes(shop.following_after().job).read_opened(Direction.FORWARD) is not None
        assert shop.same("SELECT tgenabled FROM pg_trigger WHERE tgname = 'touched'")
        assert shop.same("SELECT evtenabled FROM pg_event_trigger WHERE evtname = 'watch_ddl'")
        forget_notes(shop.following_after().job)
        assert shop.target.psql("SELECT to_regclass('public.seen') IS NULL", database=shop.database) == "t"
        assert shop.target.psql("SELECT evtenabled FROM pg_event_trigger", database=shop.database) == "O"


def test_without_a_table_of_ours_the_position_alone_is_the_proof(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    """Complaint 9: an idle source, no heartbeat: the cutover still ends."""
    with followed(*pair, tmp_path, with_heartbeat=False) as shop:
        ended = shop.cut_over(level=VerificationLevel.NONE)
        assert ended.result is CutoverResult.DONE, ended
        assert shop.detail("verify") == "sequences only, as chosen"
        wait_until(lambda: shop.same("SELECT count(*) FROM ledger"))
