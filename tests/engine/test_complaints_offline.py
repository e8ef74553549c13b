"""What people complain about in other tools (peers-and-complaints §2), offline part: a test each, by its number."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost, Stopped, ValidationFailed
from migrations_app.engine.events import IndexStarted, Step, StepFinished, StepStarted
from migrations_app.engine.spec import MigrationOption, Options, Selection, VerificationLevel
from tests.engine.moving import Move, assert_same_dump, nothing_left

ROWS = "CREATE TABLE {0} (id int PRIMARY KEY, filler text); INSERT INTO {0} SELECT g, repeat('x', 200) FROM generate_series(1, {1}) g;"


def rows(server, database, query):
    return server.psql(query, database=database).split()


def test_03_a_failed_copy_fails_the_database(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE FUNCTION newest_only(int) RETURNS bool LANGUAGE sql AS "
        "$$SELECT current_setting('server_version_num')::int < 180000 OR $1 < 500$$;"
        "CREATE TABLE refused (id int CHECK (newest_only(id))); INSERT INTO refused SELECT generate_series(1, 1000);"
        + ROWS.format("fine", 1000),
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    error = move.error()
    assert "public.refused could not be copied" in error.message
    assert "refused_id_check" in error.server_message
    (failure,) = move.log.failures
    assert "incomplete" in failure.on_target and "DROP DATABASE" in failure.on_target
    assert rows(target, database, "SELECT count(*) FROM refused") == ["0"]
    nothing_left(move)


def test_07_cut_connections_do_not_cost_the_work(pair, database, tmp_path):
    source, target = pair
    source.psql("".join(ROWS.format(f"t{n}", 20_000) for n in range(6)), database=database)
    move = Move(source, target, [database], tmp_path)
    stop = threading.Event()

    def cut():
        for server in (source, target, source):
            time.sleep(0.4)
            if not stop.is_set():
                server.psql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name LIKE 'pgmig/%' AND application_name LIKE '%/copy%'"
                )

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        move.must_succeed()
    finally:
        stop.set()
        thread.join()
    assert_same_dump(move)
    nothing_left(move)


@pytest.mark.parametrize("victim", ["source", "target"])
def test_07_a_restarted_server_is_waited_for(servers, tmp_path, victim):
    source, target = servers.get(17, name="restarted"), servers.get(18, name="restarted")
    with source.fresh_database() as database:
        source.psql("".join(ROWS.format(f"t{n}", 20_000) for n in range(6)), database=database)
        move = Move(source, target, [database], tmp_path)
        restarted = threading.Event()

        def restart(event):
            if isinstance(event, StepStarted) and event.step is Step.COPY and not restarted.is_set():
                restarted.set()
                (source if victim == "source" else target).restart("immediate")

        outcome = move.run(on_event=restart)
        assert outcome.succeeded, move.log.failures
        assert any("Trying again" in note for note in move.log.notes)
        assert_same_dump(move)
        target.drop_database(database)


def test_08_resume_goes_on_where_the_work_stopped(pair, database, tmp_path):
    source, target = pair
    source.psql("".join(ROWS.format(f"t{n}", 5_000) for n in range(8)), database=database)
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.NONE))
    seen: list[str] = []

    def stop_after_three(event):
        if isinstance(event, IndexStarted):
            seen.append(event.table)
            if len(seen) == 3:
                move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop_after_three)
    (queue,) = move.queues.values()
    copied_before = {table.name for table in queue.tables() if queue.table_is_complete(table)}
    assert copied_before
    relations = "SELECT oid::text || relfilenode::text FROM pg_class WHERE relname = ANY(string_to_array('{}', ','))"
    files = rows(target, database, relations.format(",".join(sorted(copied_before))))
    move.must_succeed()
    assert rows(target, database, relations.format(",".join(sorted(copied_before)))) == files, (
        "a table was copied again"
    )
    assert_same_dump(move)


def test_08_rows_changed_after_a_lost_snapshot_are_copied_again(pair, database, tmp_path):
    source, target = pair
    source.psql("".join(ROWS.format(f"t{n}", 3_000) for n in range(8)), database=database)
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.NONE))
    copied: list[str] = []

    def stop_after_three(event):
        if isinstance(event, IndexStarted):
            copied.append(event.table)
            if len(copied) == 3:
                move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop_after_three)
    source.psql(f"UPDATE {copied[0]} SET filler = 'changed' WHERE id = 7", database=database)
    move.must_succeed()
    assert any("1 changed in between and are copied again" in note for note in move.log.notes), move.log.notes
    assert_same_dump(move)


def test_13_generated_and_identity_columns(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int, y int GENERATED ALWAYS AS (x * 2) STORED);"
        "CREATE TABLE d (id int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 5), x int);"
        "CREATE TABLE only_identity (id bigint GENERATED ALWAYS AS IDENTITY);"
        "CREATE TABLE only_generated (x int GENERATED ALWAYS AS (7) STORED);"
        "INSERT INTO a (x) SELECT generate_series(1, 50); INSERT INTO d (x) SELECT generate_series(1, 50);"
        "INSERT INTO only_identity SELECT FROM generate_series(1, 9);"
        "INSERT INTO only_generated SELECT FROM generate_series(1, 4)",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)
    insert = "INSERT INTO {} RETURNING id"
    for table in ("a (x) VALUES (1)", "d (x) VALUES (1)", "only_identity DEFAULT VALUES"):
        assert rows(source, database, insert.format(table))[0] == rows(target, database, insert.format(table))[0]


def test_14_what_depends_on_an_excluded_table_is_named(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int, p int REFERENCES parent);"
        "CREATE VIEW seen AS SELECT * FROM parent; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)",
        database=database,
    )
    move = Move(source, target, [database], tmp_path, selection=Selection(exclude_tables=(("public", "parent"),)))
    outcome = move.run()
    refused = {finding.subject for finding in move.log.findings if finding.code == "PM4001"}
    assert any("child_p_fkey" in subject for subject in refused), refused
    assert any("seen" in subject for subject in refused), refused
    assert not outcome.succeeded
    assert rows(target, database, "SELECT count(*) FROM child") == ["1"]


def test_15_an_older_run_can_no_longer_write(pair, database, tmp_path):
    source, target = pair
    source.psql("".join(ROWS.format(f"t{n}", 50_000) for n in range(4)), database=database)
    move = Move(source, target, [database], tmp_path, options=Options(jobs=2, verification=VerificationLevel.NONE))
    began = threading.Event()
    ended: list[EngineError] = []

    def first():
        try:
            move.run(on_event=lambda e: began.set() if isinstance(e, StepStarted) and e.step is Step.COPY else None)
        except EngineError as error:
            ended.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(30)
    second = replace(move, fence=1)
    second.must_succeed()
    thread.join(60)
    assert not thread.is_alive()
    assert ended or move.log.failures, "the older run ended without noticing the newer one"
    assert_same_dump(second)


def test_16_large_objects_arrive_with_their_rights(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "SELECT count(lo_from_bytea(0, decode(md5(g::text), 'hex'))) FROM generate_series(1, 3000) g;"
        "SELECT lo_from_bytea(4242, decode(repeat('00ff', 6000000), 'hex')); COMMENT ON LARGE OBJECT 4242 IS 'large';"
        "GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    proof = (
        "SELECT count(*), sum(('x' || substr(md5(lo_get(oid)), 1, 8))::bit(32)::bigint), max(lomacl::text),"
        "obj_description(4242, 'pg_largeobject') FROM pg_largeobject_metadata"
    )
    assert target.psql(proof, database=database) == source.psql(proof, database=database)


def test_17_an_object_the_target_refuses_is_named_and_the_rest_arrives(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE FUNCTION in_c(internal) RETURNS internal LANGUAGE internal AS 'boolin';" + ROWS.format("t", 100),
        database=database,
    )
    target.psql("DROP ROLE IF EXISTS admin17; CREATE ROLE admin17 LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")
    move = Move(source, target, [database], tmp_path, target_user=("admin17", "pw"))
    outcome = move.run()
    (refused,) = [finding for finding in move.log.findings if finding.code == "PM4001"]
    assert "in_c" in refused.subject and "CREATE FUNCTION" in refused.statement
    assert "permission denied for language internal" in refused.server_message
    assert not outcome.succeeded
    assert rows(target, database, "SELECT count(*) FROM t") == ["100"]


@pytest.mark.parametrize("option", [MigrationOption.MIGRATE, MigrationOption.VALIDATE_AND_MIGRATE])
def test_18_row_security_never_hides_rows(pair, database, tmp_path, option):
    source, target = pair
    source.psql(
        "DROP ROLE IF EXISTS reader18; CREATE ROLE reader18 LOGIN PASSWORD 'pw';"
        + ROWS.format("guarded", 100)
        + "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; GRANT SELECT ON guarded TO reader18",
        database=database,
    )
    move = Move(source, target, [database], tmp_path, option=option, source_user=("reader18", "pw"))
    try:
        if option is MigrationOption.MIGRATE:
            outcome = move.run()
            assert not outcome.succeeded
            assert "row-level security" in outcome.databases[0].error.server_message
        else:
            with pytest.raises(ValidationFailed):
                move.run()
            assert any("guarded" in f.subject + f.saw + f.fix_sql for f in move.log.findings), move.log.findings
    finally:
        source.psql("DROP OWNED BY reader18", database=database)
        source.psql("DROP ROLE reader18")


def test_21_the_snapshot_ends_with_the_copy_not_with_the_indexes(pair, database, tmp_path):
    source, target = pair
    source.psql(
        ROWS.format("t", 1000) + "CREATE FUNCTION slow(int) RETURNS int LANGUAGE sql IMMUTABLE AS "
        "$$SELECT $1 + (pg_sleep(CASE WHEN $1 = 1 AND current_setting('server_version_num')::int >= 180000 THEN 3 ELSE 0 END) IS NULL)::int$$;"
        "CREATE INDEX slow_one ON t (slow(id))",
        database=database,
    )
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.FULL))
    held: list[str] = []

    def look(event):
        if isinstance(event, StepFinished) and event.step is Step.COPY:
            time.sleep(0.5)
            held.extend(
                rows(
                    source,
                    database,
                    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%'"
                    " AND backend_xmin IS NOT NULL AND datname = current_database()",
                )
            )
            building = rows(target, database, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'")
            assert building == ["1"], "the index was expected to build still"

    outcome = move.run(on_event=look)
    assert outcome.succeeded, (move.log.failures, move.log.findings)
    assert held == []


def test_23_rows_that_break_a_foreign_key_do_not_end_the_migration(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p);"
        "SET session_replication_role = replica; INSERT INTO c VALUES (1), (2)",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.run()
    (finding,) = [finding for finding in move.log.findings if finding.code == "PM4002"]
    assert "c_id_fkey" in finding.subject and "is not present in table" in finding.server_message
    assert rows(target, database, "SELECT convalidated FROM pg_constraint WHERE conname = 'c_id_fkey'") == ["f"]
    assert rows(target, database, "SELECT count(*) FROM c") == ["2"]


def test_29_bytes_of_an_sql_ascii_database_arrive_as_they_are(pair, tmp_path):
    source, target = pair
    name = "bytes_29"
    source.psql(f"DROP DATABASE IF EXISTS {name}")
    source.psql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'")
    source.psql(
        "SET client_encoding = SQL_ASCII; CREATE TABLE t (id int PRIMARY KEY, x text, m bool[]);"
        "INSERT INTO t VALUES (1, E'caf\\xe9'), (2, E'\\xff\\xfe'), (3, 'plain')",
        database=name,
    )
    move = Move(source, target, [name], tmp_path)
    move.must_succeed()
    proof = "SELECT id, encode(x::bytea, 'hex') FROM (SELECT id, convert_to(x, 'SQL_ASCII') AS x FROM t) s ORDER BY 1"
    assert target.psql(proof, database=name) == source.psql(proof, database=name)
    for server in pair:
        server.drop_database(name)


def test_30_a_newer_dump_restores_on_an_older_target(servers, tmp_path):
    source, target = servers.get(12), servers.get(14)
    with source.fresh_database() as database:
        source.psql(ROWS.format("t", 100) + "CREATE VIEW v AS SELECT * FROM t", database=database)
        move = Move(source, target, [database], tmp_path)
        move.must_succeed()
        assert rows(target, database, "SELECT count(*) FROM v") == ["100"]
        target.drop_database(database)


def test_32_nothing_but_rows_is_forgotten(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE SEQUENCE s START 50 INCREMENT 7; SELECT nextval('s'); CREATE TABLE t (id int DEFAULT nextval('s'), a text"
        " DEFAULT 'x', b numeric(10, 2) CHECK (b > 0)); ALTER TABLE t ALTER a SET STATISTICS 500;"
        "CREATE INDEX i1 ON t (lower(a)) WHERE id > 3; CREATE UNIQUE INDEX i2 ON t (id) INCLUDE (b);"
        "CREATE STATISTICS st ON a, b FROM t; COMMENT ON COLUMN t.a IS 'c'; INSERT INTO t (b) VALUES (1.5);"
        "CREATE POLICY p ON t USING (true); ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT (a) ON t TO PUBLIC;"
        "CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING; ALTER INDEX i1 ALTER COLUMN 1 SET STATISTICS 300",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)


def test_a_control_that_stopped_lets_nothing_begin(pair, database, tmp_path):
    control = Control(fence=1)
    control.stop(LeaseLost("over"))
    with pytest.raises(LeaseLost), control.interruptible(lambda: None):
        raise AssertionError("work began after the stop")
