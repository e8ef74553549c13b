"""Rules about objects: extensions, locks, tables and columns, and objects of special kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.spec import Side
from tests.engine.validating import drop_role, fires, new_role, of_code, only, serious, validated
from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def old(servers: ServerPool) -> RunningServer:
    return servers.get(10, name="validated-source")


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(14, name="validated-source", max_prepared_transactions=2)


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


@pytest.fixture
def name(source: RunningServer) -> Iterator[str]:
    with source.fresh_database() as created:
        yield created


def test_a_table_locked_by_a_session(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int)", database=name)
    with source.connect(name, autocommit=False) as locker:
        locker.execute("LOCK TABLE t")
        finding = only(validated(source, target, name), "PM2003")
        pid = locker.info.backend_pid
        locker.rollback()
    assert f"Session {pid} of {source.superuser} (idle in transaction) holds the lock since " in finding.saw
    assert "LOCK TABLE t" in finding.saw
    assert finding.fix_sql == f"SELECT pg_terminate_backend({pid});"
    assert not of_code(validated(source, target, name), "PM2003")


def test_a_table_locked_by_a_prepared_transaction(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int)", database=name)
    source.psql("BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'forgotten ''one'", database=name)
    finding = only(validated(source, target, name), "PM2003")
    assert "prepared transaction 'forgotten 'one'" in finding.saw
    source.psql(finding.fix_sql, database=name)
    assert not of_code(validated(source, target, name), "PM2003")


def test_an_extension_that_the_target_lacks(servers: ServerPool, target: RunningServer) -> None:
    """The wheel's server 18 has no pgcrypto; the npm server 14 has it."""
    with servers.get(14, name="validated-source").fresh_database() as name:
        server = servers.get(14, name="validated-source")
        server.psql("CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore", database=name)
        finding = only(validated(server, target, name), "603405")
    assert finding.level is Level.FAILED
    assert finding.subject == "Extension pgcrypto"


def test_an_extension_that_needs_a_superuser(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE EXTENSION hstore; CREATE EXTENSION pg_stat_statements", database=name)
    role = new_role(target, "CREATEDB CREATEROLE")
    finding = only(validated(source, role.endpoint(target, Side.TARGET), name), "PM2011")
    assert finding.subject == "Extension pg_stat_statements"  # hstore is trusted since 13
    findings = validated(source, target, name)
    assert not of_code(findings, "PM2011")
    assert only(findings, "603109").subject == "Extension pg_stat_statements"
    drop_role(target, role)


def test_an_azure_target_that_does_not_allow_an_extension(
    servers: ServerPool, source: RunningServer, name: str
) -> None:
    source.psql("CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm", database=name)
    with servers.fresh(18, **{"azure.extensions": "PG_TRGM"}) as azure:
        azure.psql("CREATE ROLE azure_pg_admin; CREATE DATABASE azure_maintenance")
        finding = only(validated(source, azure, name), "603108")
    assert finding.subject == "Extension hstore"
    assert "HSTORE" in finding.fix


def test_tables_with_oids_and_removed_types(old: RunningServer, target: RunningServer, servers: ServerPool) -> None:
    with old.fresh_database() as name:
        old.psql(
            "CREATE TABLE with_oids (id int) WITH OIDS;"
            'CREATE TABLE times (a abstime, b reltime, c tinterval[], "R" regclass)',
            database=name,
        )
        findings = validated(old, target, name)
        assert only(findings, "603404").fix_sql == 'ALTER TABLE "public"."with_oids" SET WITHOUT OIDS;'
        removed = of_code(findings, "PM2040")
        assert fires(findings, "PM2040").level is Level.FAILED
        assert {finding.subject for finding in removed} == {f"Column public.times.{column}" for column in "abc"}
        assert only(findings, "PM2041").saw == "They hold object ids (reg* types): public.times.R (regclass)."
        assert not {"603404", "PM2040"} & {each.code for each in validated(old, servers.get(11, name="eleven"), name)}
        old.psql("ALTER TABLE times DROP b, DROP c", database=name)
        for finding in [*of_code(findings, "603404"), *[each for each in removed if each.subject.endswith(".a")]]:
            old.psql(finding.fix_sql, database=name)
        assert serious(validated(old, target, name)) == []


def test_what_is_good_to_know_about_tables(servers: ServerPool, target: RunningServer, tmp_path: Path) -> None:
    with servers.fresh(14) as source:
        space = Path(source.cluster.data_dir).parent / f"{tmp_path.name}_space"
        space.mkdir(mode=0o700)
        shutil.chown(space, *_owner_of(source))
        source.create_database("shop")
        source.psql(f"CREATE TABLESPACE fast LOCATION '{space}'")
        source.psql(
            "CREATE UNLOGGED TABLE u (id int); CREATE TABLE t (id int) TABLESPACE fast; INSERT INTO t VALUES (1), (1)",
            database="shop",
        )
        with source.connect("shop") as connection, pytest.raises(Exception, match="could not create unique index"):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
        findings = validated(source, target, "shop")
        assert serious(findings) == []
        assert only(findings, "PM2042").saw == "These are public.u."
        assert only(findings, "PM2043").fix_sql == 'DROP INDEX "public"."broken";'
        assert only(findings, "PM2044").subject == "Tablespace fast"
    shutil.rmtree(space)


def _owner_of(server: RunningServer) -> tuple[int, int]:
    status = Path(server.cluster.data_dir).stat()
    return status.st_uid, status.st_gid


SPECIAL = """
CREATE TABLE t (id int PRIMARY KEY);
CREATE PUBLICATION pub FOR TABLE t;
CREATE SUBSCRIPTION sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watcher ON ddl_command_start EXECUTE PROCEDURE watch();
CREATE FUNCTION clang(int) RETURNS int LANGUAGE c STRICT AS '$libdir/hstore', 'hstore_version_diag';
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (password 'secret');
CREATE TYPE gauge; CREATE FUNCTION gauge_in(cstring) RETURNS gauge LANGUAGE internal STRICT IMMUTABLE AS 'int4in';
CREATE FUNCTION gauge_out(gauge) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out';
CREATE TYPE gauge (INPUT = gauge_in, OUTPUT = gauge_out, INTERNALLENGTH = 4, PASSEDBYVALUE);
CREATE OPERATOR CLASS ops FOR TYPE int4 USING btree AS OPERATOR 1 <;
"""


@pytest.mark.parametrize("major", [10, 14, 17, 18])
def test_objects_of_special_kinds(servers: ServerPool, target: RunningServer, major: int) -> None:
    source = servers.get(major, name="validated-source")
    role = new_role(target, "CREATEDB CREATEROLE")
    with source.fresh_database() as name:
        try:
            source.psql(SPECIAL, database=name)
            findings = validated(source, role.endpoint(target, Side.TARGET), name)
        finally:
            source.psql(
                "ALTER SUBSCRIPTION sub DISABLE; ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub",
                database=name,
            )
    drop_role(target, role)
    assert only(findings, "PM2030").saw == "The source has pub."
    assert only(findings, "PM2031").fix_sql == 'ALTER SUBSCRIPTION "sub" DISABLE;'
    assert "watcher" in only(findings, "PM2032").saw
    assert "elsewhere (nothing)" in only(findings, "PM2034").saw
    assert only(findings, "603413").subject == "1 function in c"
    assert {finding.subject for finding in of_code(findings, "PM2035")} == {
        "1 base type",
        "1 operator class",
        "1 foreign-data wrapper",
    }


def test_what_postgresql_14_removed(old: RunningServer, target: RunningServer, servers: ServerPool) -> None:
    with old.fresh_database() as name:
        old.psql(
            "CREATE OPERATOR !~! (LEFTARG = int8, PROCEDURE = numeric_fac);"
            "CREATE AGGREGATE collect (anyelement) (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}')",
            database=name,
        )
        findings = of_code(validated(old, target, name), "PM2036")
        assert fires(findings, "PM2036").level is Level.FAILED
        assert {finding.subject for finding in findings} == {"1 postfix operator", "1 aggregate"}
        assert not of_code(validated(old, servers.get(12, name="twelve"), name), "PM2036")
        for finding in findings:
            old.psql(finding.fix_sql, database=name)
        assert not of_code(validated(old, target, name), "PM2036")


def test_more_than_fifty_of_a_kind_are_summed_up(old: RunningServer, target: RunningServer) -> None:
    with old.fresh_database() as name:
        old.psql(
            "DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format("
            "'CREATE TABLE t%s (id int) WITH OIDS', i); END LOOP; END $$",
            database=name,
        )
        findings = of_code(validated(old, target, name), "603404")
    assert len(findings) == 51
    assert findings[-1].subject == "10 more tables"
    assert findings[-1].fix_sql.count("SET WITHOUT OIDS;") == 10
