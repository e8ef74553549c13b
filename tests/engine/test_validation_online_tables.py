"""What online needs of tables: identities, what is not in a stream of changes, what would block or disturb it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import Selection, Side
from migrations_app.engine.validation.rules import full_identity, replication_blockers
from tests.engine.validating import database, drop_role, fires, is_silent, new_role, of_code, only
from tests.engine.validating_online import MIGRATION, of_online, validated_online
from tests.fixtures.servers import RunningServer, ServerPool


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


UNIDENTIFIED = """
CREATE SCHEMA "My app";
CREATE TABLE "My app"."No key" (id int, note text);
CREATE TABLE keyless (id int);
CREATE TABLE indexed (id int NOT NULL, code text NOT NULL, other int);
CREATE UNIQUE INDEX "by Code" ON indexed (code);
CREATE UNIQUE INDEX ON indexed (other);
CREATE UNIQUE INDEX partial ON keyless (id) WHERE id > 0;
CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE whole (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE piece PARTITION OF whole FOR VALUES FROM (1) TO (9);
CREATE UNLOGGED TABLE unlogged (id int);
CREATE TABLE fine (id int PRIMARY KEY);
CREATE TABLE told (id int NOT NULL UNIQUE); ALTER TABLE told REPLICA IDENTITY USING INDEX told_id_key;
INSERT INTO keyless VALUES (1);
UPDATE keyless SET id = 2;
"""


@pytest.mark.parametrize("major", [10, 11, 12, 14, 16, 18])
def test_tables_that_nothing_names(servers: ServerPool, target: RunningServer, major: int) -> None:
    """The scripts are proved by publishing every table: then UPDATE and DELETE go on working."""
    source = servers.get(major, name="validated-source")
    with source.fresh_database() as name:
        source.psql(UNIDENTIFIED, database=name)
        findings = validated_online(source, target, name)
        missing = only(findings, "PM3020")
        assert (missing.level, missing.subject) == (Level.WARNING, f"4 tables of {name}")
        assert "As chosen, they are copied again at the cutover" in missing.saw
        assert "These are My app.No key, public.indexed, public.keyless, public.piece." in missing.saw
        assert missing.fix_sql.splitlines() == [
            'ALTER TABLE "My app"."No key" REPLICA IDENTITY FULL;',
            'ALTER TABLE "public"."indexed" REPLICA IDENTITY USING INDEX "by Code";',
            'ALTER TABLE "public"."keyless" REPLICA IDENTITY FULL;',
            'ALTER TABLE "public"."piece" REPLICA IDENTITY FULL;',
        ]
        assert "1 table can use a unique index that exists." in missing.fix
        assert "UPDATE and DELETE fail on the source" in missing.fix
        assert only(findings, "PM3021").fix_sql == 'ALTER TABLE "public"."nothing" REPLICA IDENTITY DEFAULT;'
        assert only(findings, "PM3022").fix_sql == 'ALTER TABLE "public"."deferred" REPLICA IDENTITY FULL;'
        for code in ("PM3020", "PM3021", "PM3022"):
            source.psql(only(findings, code).fix_sql, database=name)
        assert {each.code for each in of_online(validated_online(source, target, name))} <= {
            "PM3076",
            "PM3030",
            "PM3036",
        }
        _publish_everything(source, name)


def _publish_everything(source: RunningServer, name: str) -> None:
    """Publish, and write as an application does."""
    tables = ['"My app"."No key"', "keyless", "indexed", "nothing", "deferred", "piece", "fine", "told"]
    source.psql(f"CREATE PUBLICATION everything FOR TABLE {', '.join(tables)}", database=name)
    source.psql("INSERT INTO indexed VALUES (1, 'a'); INSERT INTO piece VALUES (1)", database=name)
    for table in tables:
        source.psql(f"UPDATE {table} SET id = id; DELETE FROM {table}", database=name)


def test_what_was_left_out_needs_no_identity(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE keyless (id int)", database=name)
    left_out = Selection(exclude_tables=(("public", "keyless"),))
    assert of_online(validated_online(source, target, database(name, selection=left_out))) == []


def test_an_identity_whose_index_was_dropped(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql(
        "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX gone ON t (id); CREATE UNIQUE INDEX there ON t (id);"
        "ALTER TABLE t REPLICA IDENTITY USING INDEX gone; DROP INDEX gone",
        database=name,
    )
    finding = only(validated_online(source, target, name), "PM3022")
    assert finding.fix_sql == 'ALTER TABLE "public"."t" REPLICA IDENTITY USING INDEX "there";'


FULL = """
CREATE TYPE pair AS (a int, b json);
CREATE DOMAIN place AS point;
CREATE TABLE hard (a json, b xml, c point, d pair, e pair[], f place, g int); ALTER TABLE hard REPLICA IDENTITY FULL;
CREATE TABLE easy (a jsonb, b text, c varchar(3), d int[], e int4range, f inet, g cidr, h uuid, i "char", j name, k bpchar,
    l timestamptz, m bytea, n numeric, o bit, p money, q tsvector, r macaddr, s interval, t bool, u oid);
ALTER TABLE easy REPLICA IDENTITY FULL;
CREATE TABLE keyed (id int PRIMARY KEY, a json); ALTER TABLE keyed REPLICA IDENTITY FULL;
"""


@pytest.mark.parametrize("major", [10, 14, 18])
def test_complaint_24_whole_rows_that_cannot_be_compared(
    servers: ServerPool, target: RunningServer, major: int
) -> None:
    source = servers.get(major, name="validated-source")
    with source.fresh_database() as name:
        source.psql(FULL, database=name)
        findings = validated_online(source, target, name)
        assert fires(findings, "PM3023").level is Level.WARNING
        hard, keyed = of_code(findings, "PM3023")
        assert (hard.level, hard.subject, hard.fix_sql) == (Level.WARNING, "Table public.hard", "")
        assert "a (json), b (xml), c (point), d (public.pair), e (public.pair[]) and 1 more." in hard.saw
        assert keyed.subject == "Table public.keyed"
        source.psql(keyed.fix_sql, database=name)
        assert "public.keyed" not in str(validated_online(source, target, name))


def test_whole_rows_of_a_large_table(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_identity, "MANY_ROWS", 1000)
    source.psql(
        "CREATE TABLE t AS SELECT generate_series(1, 2000) AS id; ALTER TABLE t REPLICA IDENTITY FULL; ANALYZE t",
        database=name,
    )
    finding = only(validated_online(source, target, name), "PM3024")
    assert "about 2,000 rows" in finding.saw
    assert "Add a primary key" in finding.fix
    source.psql("ALTER TABLE t ADD PRIMARY KEY (id); ALTER TABLE t REPLICA IDENTITY DEFAULT", database=name)
    assert not of_code(validated_online(source, target, name), "PM3024")


def test_generated_columns_under_full_on_18(target: RunningServer, servers: ServerPool) -> None:
    source = servers.get(18, name="validated-source")
    script = (
        "CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO t VALUES (1);"
        "ALTER TABLE t REPLICA IDENTITY FULL"
    )
    with source.fresh_database() as name:
        source.psql(script, database=name)
        finding = only(validated_online(source, target, name), "PM3025")
        assert finding.saw == "Its replica identity is FULL and the table has the generated column twice."
        with source.connect(name) as connection:
            connection.execute("CREATE PUBLICATION p FOR TABLE t")
            with pytest.raises(psycopg.Error, match="cannot update table"):
                connection.execute("UPDATE t SET id = 2")
            connection.execute(finding.fix_sql)
            connection.execute("UPDATE t SET id = 2")
        assert of_online(validated_online(source, target, name)) == []
    older = servers.get(14, name="validated-source", max_prepared_transactions=2)
    with older.fresh_database() as name:
        older.psql(script, database=name)
        assert not of_code(validated_online(older, target, name), "PM3025")


def test_a_generated_column_in_the_key(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int, k int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY)", database=name)
    assert "is an index with the generated column k" in only(validated_online(source, target, name), "PM3025").saw


UNPUBLISHABLE = """
CREATE UNLOGGED TABLE u (id int);
CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE f (id int) SERVER elsewhere;
CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
CREATE SEQUENCE s;
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT lo_from_bytea(0, '\\xabcd');
"""


@pytest.mark.parametrize("major", [10, 14, 18])
def test_what_is_in_no_stream(servers: ServerPool, target: RunningServer, major: int) -> None:
    source = servers.get(major, name="validated-source")
    with source.fresh_database() as name:
        source.psql(UNPUBLISHABLE, database=name)
        with source.connect(name) as session:
            session.execute("CREATE TEMPORARY TABLE t (id int)")
            findings = validated_online(source, target, name)
        unlogged = only(findings, "PM3030")
        assert unlogged.fix_sql == 'ALTER TABLE "public"."u" SET LOGGED;'
        assert only(findings, "PM3034").subject == f"1 large object of {name}"
        assert "1 foreign table" in fires(findings, "PM3031").subject
        assert "temporary table" in fires(findings, "PM3032").subject
        assert "1 materialized view" in fires(findings, "PM3033").subject
        assert "sequence" in fires(findings, "PM3035").subject
        assert "public.parent (1 below it)" in only(findings, "PM3037").saw
        source.psql(f"{unlogged.fix_sql} SELECT lo_unlink(oid) FROM pg_largeobject_metadata", database=name)
        again = validated_online(source, target, name)
        after = {each.code for each in of_online(again)}
        assert after == ({"PM3020"} if major > 10 else {"PM3076", "PM3020"})
        assert is_silent(again, "PM3030", "PM3032", "PM3034")
        if major == 10:
            assert "PostgreSQL 10" in fires(again, "PM3076").saw


def test_partitions_of_an_old_source(servers: ServerPool, target: RunningServer) -> None:
    script = (
        "CREATE TABLE whole (id int) PARTITION BY RANGE (id); "
        "CREATE TABLE piece PARTITION OF whole (id PRIMARY KEY) FOR VALUES FROM (1) TO (9)"
    )
    for major in (12, 13):
        source = servers.get(major, name="validated-source")
        with source.fresh_database() as name:
            source.psql(script, database=name)
            findings = validated_online(source, target, name)
            if major == 12:
                assert "public.whole" in fires(findings, "PM3036").saw
            else:
                assert is_silent(findings, "PM3036")


def test_complaint_4_a_long_transaction(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication_blockers, "LONG_SECONDS", 0)
    source.psql("CREATE TABLE t (id int PRIMARY KEY)", database=name)
    writer = source.connect(name, autocommit=False, application_name="payroll")
    writer.execute("INSERT INTO t VALUES (1)")
    finding = only(validated_online(source, target, name), "PM3040")
    assert finding.subject == f"Session {writer.info.backend_pid} of {source.superuser}"
    assert f"Its transaction in {name} is open since 20" in finding.saw
    assert "(idle in transaction), from the server itself by payroll: INSERT INTO t VALUES (1)" in finding.saw
    source.psql(finding.fix_sql)
    writer.close()
    assert not of_code(validated_online(source, target, name), "PM3040")


def test_a_transaction_that_only_reads_or_is_short(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int PRIMARY KEY)", database=name)
    with source.connect(name, autocommit=False) as reader, source.connect(name, autocommit=False) as writer:
        reader.execute("SELECT * FROM t")
        writer.execute("INSERT INTO t VALUES (1)")
        assert not of_code(validated_online(source, target, name), "PM3040")


def test_a_transaction_that_the_user_may_not_look_at(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(source)
    endpoint = role.endpoint(source, Side.SOURCE)
    source.psql("CREATE TABLE t (id int PRIMARY KEY)", database=name)
    with source.connect(name, autocommit=False) as writer:
        writer.execute("INSERT INTO t VALUES (1)")
        finding = only(validated_online(endpoint, target, name), "PM3040")
        assert finding.level is Level.UNKNOWN
        assert f'GRANT pg_read_all_stats TO "{role.name}";' in finding.fix
        source.psql(f"GRANT pg_read_all_stats TO {role.name}")
        assert not of_code(validated_online(endpoint, target, name), "PM3040")
    drop_role(source, role)


def test_complaint_4_a_forgotten_prepared_transaction(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.psql("CREATE TABLE t (id int PRIMARY KEY)", database=name)
    source.psql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'it''s forgotten'", database=name)
    assert not of_code(validated_online(source, target, name), "PM3041")
    monkeypatch.setattr(replication_blockers, "LONG_SECONDS", 0)
    finding = only(validated_online(source, target, name), "PM3041")
    assert (finding.level, finding.subject) == (Level.FAILED, f"Prepared transaction 'it's forgotten' in {name}")
    source.psql(finding.fix_sql, database=name)
    assert not of_code(validated_online(source, target, name), "PM3041")


def test_names_that_are_taken(source: RunningServer, target: RunningServer, name: str) -> None:
    ours, other = replication_name(MIGRATION, database_id=name), replication_name("other", database_id=name)
    source.psql(f"CREATE PUBLICATION {ours}", database=name)
    for slot in (ours, other):
        source.psql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", database=name)
    findings = validated_online(source, target, name)
    assert fires(findings, "PM3042").level is Level.FAILED
    assert {each.subject for each in of_code(findings, "PM3042")} == {f"Publication {ours}", f"Replication slot {ours}"}
    assert other in only(findings, "PM3043").saw
    for finding in of_online(findings):
        source.psql(finding.fix_sql, database=name)
    assert of_online(validated_online(source, target, name)) == []


def test_triggers_that_fire_on_replicated_rows(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql(
        "CREATE TABLE t (id int PRIMARY KEY);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE ALWAYS TRIGGER a;"
        "CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE REPLICA TRIGGER r;"
        "CREATE TRIGGER o AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();",
        database=name,
    )
    findings = validated_online(source, target, name)
    assert fires(findings, "PM3062").level is Level.WARNING
    always, replica = of_code(findings, "PM3062")
    assert always.fix_sql == 'ALTER TABLE "public"."t" ENABLE TRIGGER "a";'
    assert replica.fix_sql == 'ALTER TABLE "public"."t" DISABLE TRIGGER "r";'
    source.psql(always.fix_sql + replica.fix_sql, database=name)
    assert not of_code(validated_online(source, target, name), "PM3062")


CRON = """
CREATE TABLE job (jobid bigserial PRIMARY KEY, schedule text, command text, database text, username text,
    active boolean DEFAULT true);
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_jobs ON job USING (username = CURRENT_USER);
GRANT SELECT ON job TO PUBLIC;
CREATE FUNCTION alter_job(bigint, active boolean) RETURNS void LANGUAGE sql
    AS 'UPDATE cron.job SET active = $2 WHERE jobid = $1';
"""


@pytest.fixture
def played_extensions(tmp_path: Path) -> Path:
    """Extensions with the tables of pg_cron and pg_partman, which no server here has."""
    folder = tmp_path / "extension"
    folder.mkdir()
    for name, script, schema in (
        ("pg_cron", CRON, "cron"),
        (
            "pg_partman",
            "CREATE TABLE part_config (parent_table text, automatic_maintenance text DEFAULT 'on');",
            "partman",
        ),
    ):
        (folder / f"{name}.control").write_text(f"default_version = '1'\nschema = {schema}\nrelocatable = false\n")
        (folder / f"{name}--1.sql").write_text(script)
    for path in (*tmp_path.parents, tmp_path, folder, *folder.iterdir()):
        if path.is_relative_to(tmp_path.parents[1]):
            path.chmod(0o755)
    return tmp_path


def test_jobs_that_change_the_schema(servers: ServerPool, target: RunningServer, played_extensions: Path) -> None:
    path = f"{played_extensions}:$system"
    with servers.fresh(18, extension_control_path=path, **{"cron.database_name": "postgres"}) as source:
        source.create_database("shop")
        source.psql(
            "CREATE SCHEMA cron; CREATE EXTENSION pg_cron;"
            "INSERT INTO cron.job (schedule, command, database, username) VALUES"
            "('0 1 * * *', 'CREATE TABLE daily (id int)', 'shop', 'app'), ('* * * * *', 'VACUUM', 'shop', 'app'),"
            "('* * * * *', 'DROP TABLE x', 'other', 'app')"
        )
        finding = only(validated_online(source, target, "shop"), "PM3050")
        assert "job 1 of app (0 1 * * *): CREATE TABLE daily (id int)" in finding.saw
        role = new_role(source)
        unseen = only(validated_online(role.endpoint(source, Side.SOURCE), target, "shop"), "PM3050")
        assert unseen.level is Level.UNKNOWN
        source.psql(finding.fix_sql)
        assert not of_code(validated_online(source, target, "shop"), "PM3050")

        source.psql("CREATE SCHEMA partman; CREATE EXTENSION pg_partman", database="shop")
        assert not of_code(validated_online(source, target, "shop"), "PM3051")
        source.psql("INSERT INTO partman.part_config VALUES ('public.events')", database="shop")
        finding = only(validated_online(source, target, "shop"), "PM3051")
        assert "public.events" in finding.saw
        hidden = only(validated_online(role.endpoint(source, Side.SOURCE), target, "shop"), "PM3051")
        assert (hidden.level, "GRANT SELECT" in hidden.fix) == (Level.UNKNOWN, True)
        source.psql(finding.fix_sql, database="shop")
        assert is_silent(validated_online(source, target, "shop"), "PM3051")
