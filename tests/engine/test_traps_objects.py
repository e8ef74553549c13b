"""Traps of single objects: names in old encodings, event triggers, grants of others, large objects, settings of all."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.errors import Canceled, EngineError, LeaseLost
from migrations_app.engine.events import DatabaseFinished, Step, StepStarted
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_object_rights import restore_large_object_rights
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationOption, Options, RolePolicy, Side, VerificationLevel
from migrations_app.engine.target.markers import Markers
from tests.engine.moving import EventLog, Move, assert_same_dump
from tests.engine.validating import fires, new_role, of_code, only, validated

LATIN1 = "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'"


class MoveThroughLatin1(Move):
    """A migration whose login databases are called latin1_login, on both servers."""

    @property
    def spec(self):
        spec = super().spec
        source, target = (replace(side, database="latin1_login") for side in (spec.source, spec.target))
        return replace(spec, source=source, target=target)


def test_a_latin1_database_with_names_comments_and_defaults_beyond_ascii(pair, tmp_path):
    """psycopg reads json as UTF-8 whatever the session speaks; the names of a dump are in the dump's encoding."""
    source, target = pair
    source.psql(f"DROP DATABASE IF EXISTS latin1_names; CREATE DATABASE latin1_names {LATIN1}")
    source.psql(
        "SET client_encoding = 'UTF8';"
        'CREATE TABLE "größe" ("maß" int PRIMARY KEY, "wörter" text DEFAULT \'übel\');'
        'CREATE TABLE bad (a int REFERENCES "größe"); CREATE INDEX "übel" ON bad (a);'
        "INSERT INTO \"größe\" VALUES (1, 'süß'); COMMENT ON TABLE bad IS 'Größe'; COMMENT ON INDEX \"übel\" IS 'schön';"
        "SELECT lo_create(4711); COMMENT ON LARGE OBJECT 4711 IS 'größer'",
        database="latin1_names",
    )
    move = Move(source, target, ["latin1_names"], tmp_path)
    move.must_succeed()
    assert_same_dump(move)
    assert "\\udc" not in ascii(move.log.events)
    for server in pair:
        server.drop_database("latin1_names")


def test_owners_named_in_latin1_arrive_through_login_databases_in_latin1(servers, tmp_path):
    """And through a login database in UTF8 the name cannot be read: that is said, with what to do."""
    with servers.fresh(17) as source, servers.fresh(18) as target:
        for server in (source, target):
            server.psql(f"CREATE DATABASE latin1_login {LATIN1}")
        source.psql(f"CREATE DATABASE latin1_owner {LATIN1}")
        source.psql(
            'SET client_encoding = \'UTF8\'; CREATE ROLE "müller"; CREATE TABLE t (a int); ALTER TABLE t OWNER TO "müller";'
            'CREATE TABLE u (a int); GRANT SELECT ON u TO "müller"; ALTER DATABASE latin1_owner OWNER TO "müller"',
            database="latin1_owner",
        )
        move = MoveThroughLatin1(source, target, ["latin1_owner"], tmp_path)
        move.must_succeed()
        assert not [finding for finding in move.log.findings if finding.code != "PM4006"]
        owner = "SET client_encoding = 'UTF8'; SELECT tableowner FROM pg_tables WHERE tablename = 't'"
        assert target.psql(owner, database="latin1_owner").strip() == "müller"
        with pytest.raises(EngineError) as told:
            Move(source, target, ["latin1_owner"], tmp_path / "other").run()
    assert "no text in UTF8" in told.value.message
    assert "login database of that encoding" in told.value.hint
    assert r"m\xfcller" in told.value.server_message


FORBID = "RAISE EXCEPTION 'no drops here'"
AUDIT = "INSERT INTO public.ddl_log SELECT object_identity FROM pg_event_trigger_dropped_objects()"
DROPS = """
CREATE TABLE ddl_log (what text); CREATE TABLE t AS SELECT 1 AS x;
CREATE FUNCTION "on drop"() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {}; END $$;
CREATE EVENT TRIGGER "no 'drops'" ON sql_drop EXECUTE FUNCTION "on drop"();
CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION "on drop"(); ALTER EVENT TRIGGER off DISABLE;
CREATE EVENT TRIGGER always ON sql_drop EXECUTE FUNCTION "on drop"(); ALTER EVENT TRIGGER always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER off IS 'sleeps'
"""
ENABLED = "SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1"


@pytest.mark.parametrize("does", [FORBID, AUDIT])
def test_event_triggers_do_not_see_the_migration(pair, database, tmp_path, does):
    """They are created disabled, and enabled by the commit that drops our notes."""
    source, target = pair
    source.psql(DROPS.format(does), database=database)
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)
    assert target.psql("SELECT count(*) FROM ddl_log", database=database) == "0"
    assert target.psql("SELECT to_regnamespace('_migration_portal')", database=database) == ""


def test_event_triggers_sleep_until_a_run_ends_without_a_difference(pair, database, tmp_path):
    source, target = pair
    source.psql(DROPS.format(FORBID), database=database)
    move = Move(source, target, [database], tmp_path)

    def change(event):
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            target.psql("INSERT INTO t VALUES (2)", database=database)

    assert not move.run(on_event=change).succeeded
    assert {difference.object_class for difference in move.log.differences} == {"table"}
    (told,) = (finding for finding in move.log.findings if finding.code == "PM4013")
    assert """ALTER EVENT TRIGGER "no 'drops'" ENABLE;""" in told.fix_sql
    assert set(target.psql(ENABLED, database=database).split("\n")) == {"always|D", "no 'drops'|D", "off|D"}

    def die(event):
        if isinstance(event, DatabaseFinished):
            move.control.stop(LeaseLost("The test took the lease away."))

    target.psql("DELETE FROM t WHERE x = 2", database=database)
    with pytest.raises(LeaseLost):
        move.run(on_event=die)
    assert "O" not in target.psql(ENABLED, database=database)
    move.must_succeed()
    assert target.psql(ENABLED, database=database) == source.psql(ENABLED, database=database)


LOGINS = """
CREATE TABLE logins (who text);
CREATE FUNCTION at_login() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN INSERT INTO public.logins VALUES (session_user); END $$;
CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION at_login(); ALTER EVENT TRIGGER at_login ENABLE ALWAYS
"""


def test_login_triggers_do_not_count_our_sessions(pair, database, tmp_path):
    source, target = pair
    source.psql(LOGINS, database=database)
    quiet = {"database": database}
    before = int(source.psql("SELECT count(*) FROM logins", **quiet))
    move = Move(source, target, [database], tmp_path, option=MigrationOption.VALIDATE_AND_MIGRATE)
    move.must_succeed()
    assert not [finding for finding in move.log.findings if finding.code == "PM2060"]
    assert int(source.psql("SELECT count(*) FROM logins", **quiet)) == before + 1  # this psql
    assert int(target.psql("SELECT count(*) FROM logins", **quiet)) == before + 1


def test_login_triggers_that_our_user_cannot_avoid_are_told(pair, database):
    source, target = pair
    source.psql(LOGINS, database=database)
    role = new_role(source, "IN ROLE pg_read_all_data")
    spec = role.endpoint(source, Side.SOURCE), target.endpoint(Side.TARGET)
    finding = only(validated(*spec, database), "PM2060")
    assert f"{role.name} may not switch off event triggers" in finding.saw
    assert finding.fix_sql == 'ALTER EVENT TRIGGER "at_login" DISABLE;'
    source.psql(f"GRANT SET ON PARAMETER event_triggers TO {role.name}")
    assert not of_code(validated(*spec, database), "PM2060")
    source.psql(f"DROP OWNED BY {role.name}; DROP ROLE {role.name}")


MANY_LARGE_OBJECTS = """
DROP ROLE IF EXISTS lo_owner; CREATE ROLE lo_owner; SELECT count(lo_create(0)) FROM generate_series(1, 1500);
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT oid FROM pg_largeobject_metadata LOOP
        EXECUTE format('ALTER LARGE OBJECT %s OWNER TO lo_owner; COMMENT ON LARGE OBJECT %s IS ''kept''', r.oid, r.oid);
    END LOOP;
END $$
"""
COMMENTED = "SELECT count(*) FROM pg_description WHERE description = 'kept'"


def test_rights_of_many_large_objects_stop_when_the_run_does_and_are_told_once(pair, database, tmp_path):
    source, target = pair
    source.psql(MANY_LARGE_OBJECTS, database=database)
    options = Options(jobs=1, verification=VerificationLevel.NONE, roles=RolePolicy.SKIP)
    move = Move(source, target, [database], tmp_path, options=options)
    interrupted = []

    def cancel_at_the_first_comment():
        """Another session looks at the target until rights are being restored, then the person cancels."""
        with target.connect(database) as watching:
            while watching.execute(COMMENTED).fetchone() == (0,):
                time.sleep(0.005)
        interrupted.append(True)
        move.control.stop(Canceled("The person canceled."))

    def watch(event):
        if isinstance(event, StepStarted) and event.step is Step.CONSTRAINTS:
            threading.Thread(target=cancel_at_the_first_comment).start()

    with pytest.raises(Canceled):
        move.run(on_event=watch)
    assert interrupted
    assert not [finding for finding in move.log.findings if finding.code == "PM4005"]
    assert 0 < int(target.psql(COMMENTED, database=database)) < 1500
    move.must_succeed()
    (told,) = (finding for finding in move.log.findings if finding.code == "PM4005")
    assert told.subject == "large objects: owner lo_owner"
    assert "1,500 of them" in told.saw
    assert told.fix_sql.count("OWNER TO") == 1000
    assert "and 500 more" in told.fix_sql
    assert target.psql(COMMENTED, database=database) == "1500"
    source.psql("DROP OWNED BY lo_owner; DROP ROLE lo_owner", database=database)


def test_an_older_run_cannot_change_rights_of_large_objects(pair, database, tmp_path):
    source, target = pair
    source.psql("SELECT lo_create(4711); COMMENT ON LARGE OBJECT 4711 IS 'kept'", database=database)
    move = Move(source, target, [database], tmp_path)

    def stop(event):
        if isinstance(event, StepStarted) and event.step is Step.CONSTRAINTS:
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(LeaseLost):
        move.run(on_event=stop)
    target.psql("UPDATE _migration_portal.run SET fence = 2", database=database)
    job = DatabaseJob(
        spec=move.spec,
        database=move.spec.databases[0],
        source=Server(move.spec.source),
        target=Server(move.spec.target),
        reporter=EventLog(),
        control=Control(fence=1),
        queue=MemoryPartQueue(),
        markers=Markers(move.id, move.spec.databases[0].id, 1),
        work_dir=tmp_path,
    )
    with pytest.raises(LeaseLost):
        restore_large_object_rights(job)
    assert target.psql(COMMENTED, database=database) == "0"
    move.fence = 1
    move.must_succeed()
    assert target.psql(COMMENTED, database=database) == "1"


OF_ALL = "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = 0 ORDER BY 1"


def test_settings_of_all_roles_arrive(servers, tmp_path):
    """What the target has set itself stays, and is told."""
    with servers.fresh(17) as source, servers.fresh(18) as target, source.fresh_database() as database:
        source.psql('ALTER ROLE ALL SET timezone = \'Asia/Tokyo\'; ALTER ROLE ALL SET search_path = "$user", "A b"')
        target.psql("ALTER ROLE ALL SET work_mem = '8MB'")
        move = Move(source, target, [database], tmp_path)
        move.must_succeed()
        of_source = source.psql(OF_ALL).split("\n")
        assert target.psql(OF_ALL).split("\n") == [*of_source, "work_mem=8MB"]
        assert [d for d in move.log.events if "setting of all roles" in repr(d) or "settings of all roles" in repr(d)]
        target.psql("ALTER ROLE ALL SET timezone = 'UTC'")
        move = Move(source, target, [(database, "again")], tmp_path / "again")
        assert not move.run().succeeded
        (told,) = (finding for finding in move.log.findings if finding.code == "PM4014")
        assert told.saw == "The target sets UTC; that was left as it is."
        assert told.fix_sql == "ALTER ROLE ALL SET \"TimeZone\" = 'Asia/Tokyo';"
        assert [(d.object_class, d.name) for d in move.log.differences] == [("setting of all roles", "TimeZone")]


def test_settings_of_all_roles_that_the_target_refuses_are_told(servers, tmp_path):
    with servers.fresh(17) as source, servers.fresh(18) as target, source.fresh_database() as database:
        source.psql("ALTER ROLE ALL SET timezone = 'Asia/Tokyo'")
        target.psql("CREATE ROLE azadmin LOGIN CREATEDB CREATEROLE PASSWORD 'pw12345678'")
        move = Move(source, target, [database], tmp_path, target_user=("azadmin", "pw12345678"))
        move.run()
        (told,) = (finding for finding in move.log.findings if finding.code == "PM4014")
        assert (told.subject, told.saw) == ("setting TimeZone of all roles", "The target refused to set it.")
        target.psql(told.fix_sql)
        assert target.psql(OF_ALL) == source.psql(OF_ALL)


LABELS = """
CREATE ROLE masked; SET allow_system_table_mods = on;
INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'anon', 'MASKED' FROM pg_roles WHERE rolname = 'masked';
INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'anon', 'x' FROM pg_database WHERE datname = '{}'
"""


def test_security_labels_of_roles_and_the_database_are_counted_and_restored_or_told(servers, tmp_path):
    """Their provider is not installed here, so the server refuses them as one without it does."""
    with servers.fresh(17) as source, servers.fresh(18) as target, source.fresh_database() as database:
        source.psql(LABELS.format(database))
        move = Move(source, target, [database], tmp_path, option=MigrationOption.VALIDATE_AND_MIGRATE)
        assert not move.run().succeeded
        told = {finding.code: finding for finding in move.log.findings}
        assert "2 of anon" in fires(move.log.findings, "PM2033").saw
        assert told["PM4015"].fix_sql == 'SECURITY LABEL FOR "anon" ON ROLE "masked" IS \'MASKED\';'
        assert told["PM4008"].fix_sql == f'SECURITY LABEL FOR "anon" ON DATABASE "{database}" IS \'x\';'
        assert all("not loaded" in told[code].server_message for code in ("PM4015", "PM4008"))
        assert {(difference.object_class, difference.name) for difference in move.log.differences} == {
            ("security label of a role", "masked by anon"),
            ("security label of the database", "by anon"),
        }
