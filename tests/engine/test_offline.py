"""A database arrives whole: whatever its names, types, version and size."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_app.engine.spec import Options, Selection, VerificationLevel
from tests.engine.moving import Move, assert_same_dump, nothing_left

WEIRD = Path(__file__).with_name("weird.sql").read_text()


def test_weird_names_and_types_arrive_identical(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as name:
        source.psql(WEIRD, database=name)
        move = Move(source, target, [name], tmp_path)
        move.must_succeed()
        assert_same_dump(move)
        nothing_left(move)
        settings = (
            "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = "
        )
        assert source.psql(f"{settings}'{name}'") == target.psql(f"{settings}'{name}'")
        assert target.psql(f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'").strip() == "bob"
        target.drop_database(name)


PAIRS = [(source, target) for source in (10, 12, 14, 16, 18) for target in (17, 18) if source <= target]


@pytest.mark.parametrize(("source_major", "target_major"), PAIRS)
def test_every_source_major_moves_to_every_target_major(servers, tmp_path, source_major, target_major):
    source, target = servers.get(source_major), servers.get(target_major, name="second")
    script = WEIRD if source_major >= 12 else older(WEIRD)
    with source.fresh_database() as name:
        source.psql(script, database=name)
        move = Move(source, target, [(name, f"{name}_moved")], tmp_path)
        move.must_succeed()
        rows = 'SELECT count(*), sum("co l") FROM "Sp ace"."ta ble"'
        assert target.psql(rows, database=f"{name}_moved") == source.psql(rows, database=name)
        target.drop_database(f"{name}_moved")


def older(script: str) -> str:
    """Without what PostgreSQL 10 does not have: generated columns and procedures."""
    lines = [line for line in script.splitlines() if " stored)" not in line]
    text = "\n".join(lines).replace("execute function", "execute procedure")
    begin, end = text.index("create procedure pr()"), text.index("create function trg()")
    return text[:begin] + text[end:]


def test_an_empty_database_arrives(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as name:
        move = Move(source, target, [name], tmp_path)
        move.must_succeed()
        assert_same_dump(move)
        target.drop_database(name)


def test_large_tables_travel_in_parts(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as name:
        source.psql(
            "CREATE TABLE big (id bigint PRIMARY KEY, filler text); CREATE INDEX ON big (filler);"
            "INSERT INTO big SELECT g, repeat('x', 100) || g FROM generate_series(1, 60000) g; DELETE FROM big WHERE id % 7 = 0",
            database=name,
        )
        options = Options(jobs=3, split_bytes=1024 * 1024, verification=VerificationLevel.NONE)
        move = Move(source, target, [name], tmp_path, options=options)
        move.must_succeed()
        (queue,) = move.queues.values()
        (table,) = queue.tables()
        assert len(table.parts) > 5
        assert sorted(dump_rows(source, name)) == sorted(dump_rows(target, name))
        target.drop_database(name)


def dump_rows(server, name):
    return server.psql("SELECT id, filler FROM big", database=name).splitlines()


def test_only_the_chosen_tables_arrive(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as name:
        source.psql(
            "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t1 (id int); CREATE TABLE a.t2 (id int);"
            "CREATE TABLE b.t3 (id int); CREATE FUNCTION a.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
            "INSERT INTO a.t1 VALUES (1); INSERT INTO a.t2 VALUES (2)",
            database=name,
        )
        chosen = Selection(include_schemas=("a",), exclude_tables=(("a", "t2"),))
        move = Move(source, target, [name], tmp_path, selection=chosen)
        move.must_succeed()
        tables = target.psql(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('a', 'b')", database=name
        )
        assert tables.split() == ["a|t1"]
        assert target.psql("SELECT a.f(), (SELECT id FROM a.t1)", database=name).strip() == "1|1"
        assert any(finding.code == "PM4009" for finding in move.log.findings)
        target.drop_database(name)


def test_several_databases_and_one_that_fails(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as good, source.fresh_database() as there:
        source.psql("CREATE TABLE t (id int)", database=good)
        target.create_database(there)
        outcome = Move(source, target, [there, good], tmp_path).run()
        failed, moved = outcome.databases
        assert "already has a database" in failed.error.message
        assert moved.succeeded
        assert target.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=there).strip() == "0"
        for name in (good, there):
            target.drop_database(name)


def test_an_existing_database_is_replaced_only_with_consent(pair, tmp_path):
    source, target = pair
    with source.fresh_database() as name:
        source.psql("CREATE TABLE new (id int)", database=name)
        target.create_database(name)
        target.psql("CREATE TABLE old (id int)", database=name)
        move = Move(source, target, [name], tmp_path)
        assert move.error().message.endswith(f"already has a database {name}.")
        assert (
            target.psql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database=name).strip() == "old"
        )
        Move(source, target, [name], tmp_path, overwrite=True).must_succeed()
        assert (
            target.psql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database=name).strip() == "new"
        )
        target.drop_database(name)
