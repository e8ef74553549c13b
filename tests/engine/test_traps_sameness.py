"""Traps that made the two sides differ, or seem to: found by a review, kept as tests."""

from __future__ import annotations

import pytest

from migrations_app.engine.errors import LeaseLost, Stopped
from migrations_app.engine.events import Step, StepStarted
from migrations_app.engine.spec import Options, Selection, VerificationLevel
from migrations_app.engine.target.markers import Markers
from tests.engine.moving import Move, assert_same_dump
from tests.engine.test_complaints_offline import rows

ADMIN = ("admin_same", "pw-same-1234")


def stop_before_verification(move):
    def stop(event):
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop)


def with_admin(server):
    """A user who is no superuser, as providers give them."""
    server.psql(
        f"DROP ROLE IF EXISTS {ADMIN[0]}; CREATE ROLE {ADMIN[0]} LOGIN CREATEDB CREATEROLE PASSWORD '{ADMIN[1]}'"
    )
    return ADMIN


GUARDED = """
CREATE TABLE audit (id int);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (1); RETURN NULL; END $$;
CREATE UNLOGGED TABLE u (id int PRIMARY KEY); INSERT INTO u SELECT generate_series(1, 1000);
CREATE TRIGGER plain AFTER INSERT OR DELETE ON u FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER truncated AFTER TRUNCATE ON u EXECUTE FUNCTION noted();
CREATE TRIGGER always AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE u ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER asleep AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE u DISABLE TRIGGER asleep;
COMMENT ON TRIGGER plain ON u IS 'notes';
CREATE UNLOGGED TABLE p (id int PRIMARY KEY, filler text);
INSERT INTO p SELECT g, repeat('x', 300) FROM generate_series(1, 5000) g;
CREATE UNLOGGED TABLE c (id int CONSTRAINT parent REFERENCES p ON DELETE CASCADE, n int);
INSERT INTO c SELECT g, -g FROM generate_series(1, 5000) g; COMMENT ON CONSTRAINT parent ON c IS 'to p';
ALTER TABLE c ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
ALTER TABLE p ENABLE ROW LEVEL SECURITY; ALTER TABLE p FORCE ROW LEVEL SECURITY;
CREATE TABLE logged (id int PRIMARY KEY, filler text);
INSERT INTO logged SELECT g, repeat('x', 300) FROM generate_series(1, 5000) g;
CREATE UNLOGGED TABLE child (id int REFERENCES logged ON DELETE CASCADE); INSERT INTO child VALUES (1), (2);
CREATE TABLE kept (id int REFERENCES logged ON DELETE CASCADE); INSERT INTO kept VALUES (1), (2);
CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM u;
CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
ALTER TABLE parted ADD FOREIGN KEY (id) REFERENCES logged;
CREATE TRIGGER cloned AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE parted_1 DISABLE TRIGGER cloned; INSERT INTO parted VALUES (1);
"""
EVENTS = """
CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (2); END $$;
CREATE EVENT TRIGGER seen ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'DROP TRIGGER', 'REFRESH MATERIALIZED VIEW')
    EXECUTE FUNCTION seen(); COMMENT ON EVENT TRIGGER seen IS 'sees';
"""


@pytest.mark.parametrize("is_superuser", [True, False])
def test_triggers_and_foreign_keys_wait_when_rows_are_copied_again(servers, tmp_path, is_superuser):
    """A crash after everything was restored: the copy begins anew on tables that have triggers and foreign keys."""
    source, target = servers.get(17, name="restarted"), servers.get(18, name="restarted")
    with source.fresh_database() as database:
        source.psql(GUARDED + (EVENTS if is_superuser else ""), database=database)
        options = Options(jobs=2, verification=VerificationLevel.FULL)
        move = Move(source, target, [database], tmp_path, options=options)
        if not is_superuser:
            move.target_user = with_admin(target)
        stop_before_verification(move)
        target.restart("immediate")
        source.psql("UPDATE logged SET filler = 'changed' WHERE id = 5", database=database)
        if is_superuser:
            move.must_succeed()
            assert_same_dump(move)
        else:
            move.run()
            assert not move.log.failures
            tables = [event for event in move.log.differences if event.object_class == "table"]
            assert [event.name for event in tables if event.result == "different"] == []
            assert "row-level security" in tables[0].detail  # forced on the owner, which our user is here
        assert rows(target, database, "SELECT count(*) FROM audit") == rows(
            source, database, "SELECT count(*) FROM audit"
        )
        assert rows(target, database, "SELECT count(*) FROM total") == ["1"]
        target.drop_database(database)


MEMBERSHIP = """
SELECT bool_or(admin_option), bool_or(inherit_option), bool_or(set_option)
FROM pg_auth_members WHERE roleid = 'team'::regrole AND member = 'mgr'::regrole
"""


def test_a_membership_given_by_several_keeps_every_option(servers, tmp_path):
    """Since 16 a creator of roles has two rows: ADMIN from the superuser, INHERIT and SET from itself."""
    with servers.fresh(17) as source, servers.fresh(18) as target, source.fresh_database() as database:
        source.psql(
            "CREATE ROLE mgr LOGIN CREATEROLE; SET createrole_self_grant = 'set, inherit'; SET ROLE mgr; CREATE ROLE team"
        )
        Move(source, target, [database], tmp_path).must_succeed()
        assert rows(target, "postgres", MEMBERSHIP) == rows(source, "postgres", MEMBERSHIP) == ["t|t|t"]


def test_procedures_are_the_same_before_and_since_14(servers, tmp_path):
    """14 and newer print the arguments of a procedure with IN."""
    source, target = servers.get(13), servers.get(18)
    with source.fresh_database() as database:
        source.psql(
            "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA s; CREATE TYPE s.pair AS (a int);"
            "CREATE PROCEDURE s.p(a int, b text DEFAULT 'IN, a', c int DEFAULT g()) LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE PROCEDURE s.p(INOUT a s.pair, VARIADIC b int[]) LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE PROCEDURE s.p() LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE s.p(int) LANGUAGE sql AS 'SELECT 1';"
            "COMMENT ON PROCEDURE s.p(int) IS 'one'",
            database=database,
        )
        move = Move(source, target, [database], tmp_path)
        move.must_succeed()
        target.drop_database(database)


def test_a_changed_procedure_is_still_found(pair, database, tmp_path):
    source, target = pair
    source.psql("CREATE PROCEDURE p(a int, b int DEFAULT 1) LANGUAGE plpgsql AS 'BEGIN END'", database=database)
    move = Move(source, target, [database], tmp_path)

    def change(event):
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            target.psql(
                "CREATE OR REPLACE PROCEDURE p(a int, b int DEFAULT 2) LANGUAGE plpgsql AS 'BEGIN END'",
                database=database,
            )

    assert not move.run(on_event=change).succeeded
    assert [(event.name, event.detail) for event in move.log.differences] == [
        ("public.p(integer, integer)", "different: arguments")
    ]


def test_the_default_of_a_domain_is_compared_as_the_server_reads_it(servers, tmp_path):
    """Its text is kept as its creator wrote it, with the search_path of that moment."""
    source, target = servers.get(12), servers.get(18)
    with source.fresh_database() as database:
        source.psql(
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE DOMAIN called AS int DEFAULT f();"
            "CREATE DOMAIN listed AS text DEFAULT array_to_string(ARRAY[now()::date, 'today'] , ',');"
            "CREATE DOMAIN of_domain AS called DEFAULT 3 + 4; CREATE DOMAIN bare AS varchar(3)",
            database=database,
        )
        move = Move(source, target, [database], tmp_path)
        move.must_succeed()
        target.drop_database(database)


@pytest.mark.parametrize("major", [12, 14, 17])
def test_a_trigger_switched_on_one_partition_only_arrives(servers, tmp_path, major):
    """Before 15 a partition's copy of a trigger counts as internal; and some partitions sort before their parent."""
    source, target = servers.get(major), servers.get(18)
    enabled = (
        "SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text AS t FROM pg_trigger"
        " WHERE tgname IN ('tr', 'off') ORDER BY 1"
    )
    with source.fresh_database() as database:
        source.psql(
            "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
            "CREATE TABLE a PARTITION OF p FOR VALUES FROM (9) TO (20) PARTITION BY RANGE (id);"
            "CREATE TABLE a1 PARTITION OF a DEFAULT; CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (20) TO (30);"
            "CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            "CREATE TRIGGER tr AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION tr();"
            "CREATE TRIGGER off AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION tr();"
            "ALTER TABLE p DISABLE TRIGGER off; ALTER TABLE p1 DISABLE TRIGGER tr; ALTER TABLE a1 ENABLE ALWAYS TRIGGER tr;"
            "ALTER TABLE p2 ENABLE REPLICA TRIGGER off",
            database=database,
        )
        move = Move(source, target, [database], tmp_path)
        move.must_succeed()
        assert rows(target, database, enabled) == rows(source, database, enabled)
        target.drop_database(database)


IS_TEMPLATE = "SELECT datistemplate FROM pg_database WHERE datname = '{}'"


def interrupt_when_it_becomes_a_template(move, monkeypatch):
    """Be killed just after the database became a template, while our notes are still there."""

    def die(connection):
        raise LeaseLost("The test took the lease away.")

    with monkeypatch.context() as patch:
        patch.setattr(Markers, "remove", staticmethod(die))
        with pytest.raises(Stopped):
            move.run()


def test_a_template_becomes_a_template(pair, database, tmp_path, monkeypatch):
    source, target = pair
    source.psql(f"CREATE TABLE t (id int); ALTER DATABASE {database} IS_TEMPLATE true", database=database)
    try:
        move = Move(source, target, [database], tmp_path / "one")
        stop_before_verification(move)
        assert rows(target, "postgres", IS_TEMPLATE.format(database)) == ["f"]
        interrupt_when_it_becomes_a_template(move, monkeypatch)
        assert rows(target, "postgres", IS_TEMPLATE.format(database)) == ["t"]
        move.must_succeed()
        assert rows(target, "postgres", IS_TEMPLATE.format(database)) == ["t"]
        assert rows(target, database, "SELECT to_regnamespace('_migration_portal') IS NULL") == ["t"]
        Move(source, target, [database], tmp_path / "two", overwrite=True).must_succeed()
        assert rows(target, "postgres", IS_TEMPLATE.format(database)) == ["t"]
    finally:
        for server in pair:
            server.psql(f"ALTER DATABASE {database} IS_TEMPLATE false")


def test_a_template_that_may_not_become_one_is_told(pair, database, tmp_path):
    source, target = pair
    source.psql("DROP ROLE IF EXISTS other_owner; CREATE ROLE other_owner")
    source.psql(f"ALTER DATABASE {database} IS_TEMPLATE true; ALTER DATABASE {database} OWNER TO other_owner")
    move = Move(source, target, [database], tmp_path, target_user=with_admin(target))

    def take_away(event):
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            target.psql(f"REVOKE other_owner FROM {ADMIN[0]} CASCADE")

    try:
        assert move.run(on_event=take_away).succeeded, (move.log.failures, move.log.differences)
        assert any("IS_TEMPLATE true" in finding.fix_sql for finding in move.log.findings)
    finally:
        source.psql(f"ALTER DATABASE {database} IS_TEMPLATE false")


OWNED = """
CREATE TABLE keep (id serial PRIMARY KEY); CREATE TABLE leave (id serial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY);
CREATE TABLE share (id serial PRIMARY KEY); CREATE TABLE borrow (id int DEFAULT nextval('share_id_seq') PRIMARY KEY);
CREATE SEQUENCE free; INSERT INTO share VALUES (DEFAULT), (DEFAULT); INSERT INTO borrow VALUES (DEFAULT);
INSERT INTO leave VALUES (DEFAULT); INSERT INTO keep VALUES (DEFAULT);
"""
SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S' ORDER BY 1"


@pytest.mark.parametrize(
    "selection",
    [
        Selection(exclude_tables=(("public", "leave"), ("public", "share"))),
        Selection(include_tables=(("public", "keep"), ("public", "borrow"))),
    ],
)
def test_sequences_of_tables_that_are_left_out_stay_behind(pair, database, tmp_path, selection):
    """Unless the default of a table that moves uses one."""
    source, target = pair
    source.psql(OWNED, database=database)
    move = Move(source, target, [database], tmp_path, selection=selection)
    move.must_succeed()
    assert rows(target, database, SEQUENCES) == ["free", "keep_id_seq", "share_id_seq"]
    assert rows(target, database, "INSERT INTO borrow VALUES (DEFAULT) RETURNING id")[0] == "4"


def test_a_database_that_is_closed_by_its_connection_limit_arrives_closed(pair, database, tmp_path):
    """A usual way to keep applications away; on the target it must not keep us away, who are no superuser there."""
    source, target = pair
    source.psql("CREATE TABLE t AS SELECT 1 AS id", database=database)
    source.psql(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
    options = Options(jobs=1, verification=VerificationLevel.NONE)
    move = Move(source, target, [database], tmp_path, options=options, target_user=with_admin(target))
    move.must_succeed()
    assert target.psql(f"SELECT datconnlimit FROM pg_database WHERE datname = '{database}'") == "0"
    target.drop_database(database)
