"""A table that differs is narrowed to its rows, and what cannot be compared is never called identical."""

from __future__ import annotations

import threading
import time

import pytest

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled
from migrations_app.engine.events import CheckResult
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec, Side, VerificationLevel
from migrations_app.engine.verification import (
    choose_method,
    differences,
    find_differing_rows,
    read_columns,
    read_traits,
    tables,
    verify_database,
)
from tests.engine.moving import EventLog
from tests.engine.verifying import read_tables, twins

SCRIPT = """
CREATE TABLE keyed (a int, "50% b" text, v text, PRIMARY KEY (a, "50% b"));
INSERT INTO keyed SELECT i, 'k' || i, md5(i::text) FROM generate_series(1, 20000) i;
CREATE TABLE keyless AS SELECT i % 50 AS i, md5((i % 50)::text) AS v FROM generate_series(1, 5000) i;
CREATE TABLE uniquely (u int NOT NULL UNIQUE, n int UNIQUE, v text);
INSERT INTO uniquely SELECT i, NULL, 'v' FROM generate_series(1, 100) i;
CREATE TABLE empty (a int);
"""


@pytest.fixture(scope="module", params=[(14, 18), (10, 17)], ids=["14-18", "10-17"])
def pair(request, servers):
    source, target = request.param
    with twins(servers.get(source), servers.get(target), SCRIPT) as found:
        yield found


@pytest.fixture
def changed(pair):
    """Whatever a test does to the target's rows is undone by copying the rows again."""
    yield pair
    for name in ("keyed", "keyless", "uniquely"):
        rows = pair.source.psql(f"COPY {name} TO STDOUT", database=pair.before)
        pair.target.psql(f"TRUNCATE {name}; COPY {name} FROM STDIN;\n{rows}\n\\.\n", database=pair.after)


def look_for_rows(pair, table):
    with pair.connected() as (source, target):
        return find_differing_rows(
            source,
            target,
            schema="public",
            table=table,
            columns=read_columns(source)["public", table],
            method=choose_method(source=read_traits(source), target=read_traits(target)),
        )


def test_20_rows_are_named_by_their_key(changed):
    changed.on_target("""
        UPDATE keyed SET v = 'x' WHERE a IN (7, 19999); DELETE FROM keyed WHERE a = 500;
        INSERT INTO keyed VALUES (30001, 'n, ew', 'v')""")
    found = look_for_rows(changed, "keyed")
    assert found.key_columns == ("a", "50% b")
    assert (found.changed, found.missing, found.extra, found.complete) == (2, 1, 1, True)
    assert set(found.changed_keys) == {"(7,k7)", "(19999,k19999)"}
    assert found.missing_keys == ("(500,k500)",)
    assert found.extra_keys == ('(30001,"n, ew")',)
    assert changed.verify() is CheckResult.DIFFERENT
    told = changed.differences["table", "public.keyed"]
    assert "(500,k500)" in told.detail
    assert "2 changed" in told.detail
    assert "since the copy" in told.detail
    assert set(changed.differences) == {("table", "public.keyed")}


def test_20_rows_without_a_key_are_counted_as_often_as_they_occur(changed):
    changed.on_target("""
        DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless WHERE i = 3 LIMIT 2);
        INSERT INTO keyless VALUES (3, 'another'), (99, 'extra')""")
    found = look_for_rows(changed, "keyless")
    assert found.key_columns == ()
    assert (found.changed, found.missing, found.extra) == (0, 2, 2)
    assert all(key.startswith("(3,") for key in found.missing_keys)


def test_a_unique_index_over_nulls_is_no_key(changed):
    changed.on_target("UPDATE uniquely SET v = 'w' WHERE u = 5")
    found = look_for_rows(changed, "uniquely")
    assert found.key_columns == ("u",)
    assert found.changed_keys == ("(5)",)


def test_a_table_that_differs_everywhere_gives_a_bounded_answer(changed, monkeypatch):
    changed.on_target("UPDATE keyed SET v = 'x'")
    found = look_for_rows(changed, "keyed")
    assert (found.changed, len(found.changed_keys), found.complete) == (20000, 100, True)
    monkeypatch.setattr(differences, "MOST_ROWS_EXAMINED", 5000)
    found = look_for_rows(changed, "keyed")
    assert 2000 < found.changed < 20000
    assert not found.complete
    assert "at least" in str(found)


def test_missing_and_extra_rows_are_told_by_count_alone(changed):
    changed.on_target("DELETE FROM keyed WHERE a <= 3")
    assert changed.verify(level=VerificationLevel.COUNTS) is CheckResult.DIFFERENT
    told = changed.differences["table", "public.keyed"]
    assert (told.source, told.target) == ("20,000 rows", "19,997 rows")
    assert told.detail.startswith("3 rows are missing on the target")


def test_a_source_that_was_written_to_since_the_copy_is_the_reason(pair):
    """The digest is the snapshot's; the source has changed since, the target has the rows of the copy."""
    table_plans, digests = pair.digests()
    source, target = pair.servers
    pair.on_source("UPDATE keyed SET v = 'later' WHERE a = 1")
    try:
        database = DatabaseSpec("d", pair.before, pair.after)
        spec = MigrationSpec("m", "m", source.endpoint, target.endpoint, (database,))
        arguments = (spec, database, source, target, table_plans, digests, VerificationLevel.FULL)
        assert verify_database(*arguments, EventLog(), Control(fence=1), 2) is CheckResult.IDENTICAL
    finally:
        pair.on_source("UPDATE keyed SET v = md5('1') WHERE a = 1")


def test_large_tables_are_hashed_in_ranges(pair, monkeypatch):
    monkeypatch.setattr(tables, "RANGE_BLOCKS", 20)
    monkeypatch.setattr(tables, "SMALL_BLOCKS", 5)
    assert pair.verify(jobs=3) is CheckResult.IDENTICAL, pair.differences
    with pair.connected() as (source, target):
        ranges = [piece for piece in tables._ranges(target, read_tables(source)) if piece.table.name == "keyed"]
    assert len(ranges) > 5
    assert {piece.part.lower for piece in ranges} - {piece.part.upper for piece in ranges} == set()


def test_20_a_query_error_is_not_a_pass(changed):
    """A user who may not read a table on the target cannot prove that it arrived."""
    changed.target.psql("DROP ROLE IF EXISTS v_reader; CREATE ROLE v_reader LOGIN PASSWORD 'x'")
    changed.target.psql("GRANT SELECT ON keyed, uniquely, empty TO v_reader", database=changed.after)
    try:
        assert changed.verify(target_user=("v_reader", "x")) is not CheckResult.IDENTICAL
        told = changed.differences["table", "public.keyless"]
        assert told.result is CheckResult.COULD_NOT_VERIFY
        assert "permission denied" in told.detail
        tables_told = {e.name: e.result for e in changed.found if e.object_class == "table"}
        assert tables_told["public.keyed"] is CheckResult.IDENTICAL
    finally:
        changed.target.psql("DROP OWNED BY v_reader; DROP ROLE v_reader", database=changed.after)


def test_20_a_table_that_was_not_hashed_during_the_copy_is_not_a_pass(pair):
    source, target = pair.servers
    database = DatabaseSpec("d", pair.before, pair.after)
    spec = MigrationSpec("m", "m", source.endpoint, target.endpoint, (database,))
    with source.connected(pair.before) as connection:
        plans = read_tables(connection)
    log = EventLog()
    result = verify_database(
        spec, database, source, target, plans, {}, VerificationLevel.FULL, log, Control(fence=1), 2
    )
    assert result is CheckResult.COULD_NOT_VERIFY
    assert {event.name for event in log.differences} == {plan.label for plan in plans}


def test_20_mixed_case_names_are_compared(servers):
    script = 'CREATE SCHEMA "MiXed"; CREATE TABLE "MiXed"."TaBle" ("Id") AS VALUES (1)'
    with twins(servers.get(14), servers.get(18), script) as pair:
        assert pair.verify() is CheckResult.IDENTICAL
        pair.on_target('UPDATE "MiXed"."TaBle" SET "Id" = 2')
        assert pair.verify() is CheckResult.DIFFERENT


def test_32_a_missing_table_or_column_is_a_difference(servers):
    script = "CREATE TABLE gone (a int); CREATE TABLE t (t int, b int); INSERT INTO t VALUES (1, 2)"
    with twins(servers.get(17), servers.get(18), script) as pair:
        table_plans, digests = pair.digests()
        pair.on_target("DROP TABLE gone; ALTER TABLE t DROP t")
        assert pair.verify() is CheckResult.DIFFERENT
        assert pair.differences["table", "public.gone"].result is CheckResult.DIFFERENT
        assert "does not exist" in pair.differences["table", "public.t"].detail
        assert set(pair.differences) == {
            ("table", "public.gone"),
            ("table", "public.t"),
            ("table definition", "public.gone"),
            ("column", "public.t.t"),
            ("column", "public.t.b"),  # is the first column now
        }
        assert len(table_plans) == len(digests) == 2


def test_18_row_security_never_hides_rows_from_the_comparison(servers):
    """A user whom a policy filters is told so by the server instead of comparing half a table."""
    script = "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY"
    source, target = servers.get(17), servers.get(18)
    target.psql("DROP ROLE IF EXISTS v_filtered; CREATE ROLE v_filtered LOGIN PASSWORD 'x'")
    target.psql("GRANT pg_read_all_data TO v_filtered")
    with twins(source, target, script) as pair:
        assert pair.verify(target_user=("v_filtered", "x")) is not CheckResult.IDENTICAL
        assert "row-level security" in pair.differences["table", "public.t"].detail
    target.psql("DROP ROLE v_filtered")


def test_cancel_ends_the_hashing_of_a_large_table(servers):
    script = "CREATE TABLE t AS SELECT i, repeat(md5(i::text), 30) AS v FROM generate_series(1, 300000) i"
    with twins(servers.get(17), servers.get(18), script) as pair:
        control = Control(fence=1)
        source = Server(pair.source.endpoint(Side.SOURCE), tag="pgmig/cancel/1", control=control)
        target = Server(pair.target.endpoint(Side.TARGET), tag="pgmig/cancel/1", control=control)
        database = DatabaseSpec("d", pair.before, pair.after)
        spec = MigrationSpec("m", "m", source.endpoint, target.endpoint, (database,))
        plans, digests = pair.digests()
        threading.Timer(0.5, lambda: control.stop(Canceled("canceled"))).start()
        began = time.monotonic()
        pair.on_target("CREATE VIEW slow AS SELECT 1; ALTER TABLE t ADD CONSTRAINT c CHECK (i > 0)")
        with pytest.raises(Canceled):
            for _ in range(50):
                verify_database(
                    spec, database, source, target, plans, digests, VerificationLevel.FULL, EventLog(), control, 2
                )
        assert time.monotonic() - began < 15
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgmig/cancel%'"
        assert pair.target.psql(sessions) == pair.source.psql(sessions) == "0"
