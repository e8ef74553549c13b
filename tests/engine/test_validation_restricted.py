"""Rules about casts, grants on the catalog, and extensions; extensions that this machine has not are made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import Side
from tests.engine.validating import Role, drop_role, fires, is_silent, new_role, of_code, only, validated
from tests.fixtures.made_up import CRON, PARTMAN, POSTGIS_2, TIMESCALE, MadeUp
from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(14, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


@pytest.fixture
def name(source: RunningServer) -> Iterator[str]:
    with source.fresh_database() as created:
        yield created


@pytest.fixture
def admin(target: RunningServer) -> Iterator[Role]:
    """A user as managed services give it: may create databases and roles, is no superuser."""
    role = new_role(target, "CREATEDB CREATEROLE")
    yield role
    drop_role(target, role)


@pytest.fixture(scope="module")
def ours(servers: ServerPool) -> MadeUp:
    return MadeUp(servers, "made-up-source")


@pytest.fixture(scope="module")
def theirs(servers: ServerPool) -> MadeUp:
    return MadeUp(servers, "made-up-target")


def test_casts(source: RunningServer, target: RunningServer, name: str, admin: Role) -> None:
    source.psql("CREATE TYPE mood AS ENUM ('good'); CREATE CAST (mood AS varchar) WITH INOUT", database=name)
    endpoint = admin.endpoint(target, Side.TARGET)
    assert not of_code(validated(source, endpoint, name), "603409")
    source.psql("CREATE CAST (date AS integer) WITHOUT FUNCTION; CREATE CAST (text AS point) WITH INOUT", database=name)
    finding = only(validated(source, endpoint, name), "603409")
    assert finding.saw == "The source has (date AS integer), (text AS point)."
    assert not of_code(validated(source, target, name), "603409")
    source.psql(finding.fix_sql, database=name)
    assert not of_code(validated(source, endpoint, name), "603409")


def test_an_operator_family_without_classes(
    source: RunningServer, target: RunningServer, name: str, admin: Role
) -> None:
    endpoint = admin.endpoint(target, Side.TARGET)
    assert not of_code(validated(source, endpoint, name), "PM2035")
    source.psql("CREATE OPERATOR FAMILY odd USING btree", database=name)
    assert only(validated(source, endpoint, name), "PM2035").subject == "1 operator family"


@pytest.mark.parametrize("major", [10, 14, 18])
def test_grants_on_the_catalog(servers: ServerPool, target: RunningServer, admin: Role, major: int) -> None:
    source = servers.get(major, name="validated-source")
    reader = new_role(source)
    endpoint = admin.endpoint(target, Side.TARGET)
    with source.fresh_database() as name:
        assert not of_code(validated(source, endpoint, name), "603410")
        source.psql(
            f"GRANT SELECT ON pg_authid, pg_shadow TO {reader.name};"
            f"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {reader.name}",
            database=name,
        )
        finding = only(validated(source, endpoint, name), "603410")
        assert finding.subject == "3 grants"
        assert f"SELECT on pg_authid to {reader.name}" in finding.saw
        assert not of_code(validated(source, target, name), "603410")
        source.psql(finding.fix_sql, database=name)
        assert not of_code(validated(source, endpoint, name), "603410")
    drop_role(source, reader)


def test_default_privileges_for_a_role_out_of_reach(
    source: RunningServer, target: RunningServer, name: str, admin: Role
) -> None:
    role = new_role(source)
    source.psql(f"ALTER DEFAULT PRIVILEGES FOR ROLE {role.name} GRANT SELECT ON TABLES TO PUBLIC", database=name)
    target.psql(f"CREATE ROLE {role.name}")
    finding = only(validated(source, admin.endpoint(target, Side.TARGET), name), "PM1044")
    target.psql(finding.fix_sql)
    assert not of_code(validated(source, admin.endpoint(target, Side.TARGET), name), "PM1044")
    target.psql(f"DROP ROLE {role.name}")
    source.psql(f"DROP OWNED BY {role.name}", database=name)
    drop_role(source, role)


def test_versions_of_postgis(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("postgis", "3.4.0")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION postgis", database=name)
        theirs.offer("postgis", "3.3.9")
        findings = _made_up(ours, theirs, name)
        assert "a newer PostGIS" in only(findings, "603406").fix
        assert is_silent(findings, "PM2010")
        for offered in ("3.4.9", "3.5.0"):  # the fix: a newer one is installed on the target's machine
            theirs.offer("postgis", offered)
            assert is_silent(_made_up(ours, theirs, name), "603406", "PM2010")


def test_rasters_of_postgis_2(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("postgis", "2.5.0", POSTGIS_2)
    ours.offer_update("postgis", old="2.5.0", new="3.4.0")
    theirs.offer("postgis", "3.4.0")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION postgis", database=name)
        assert not of_code(_made_up(ours, theirs, name), "603406")
        ours.server.psql("CREATE TABLE tiles (tile raster)", database=name)
        finding = only(_made_up(ours, theirs, name), "603406")
        assert "raster columns" in finding.saw
        ours.server.psql(finding.fix_sql, database=name)
        assert is_silent(_made_up(ours, theirs, name), "603406")


def test_an_extension_that_is_older_on_the_target(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("lists", "2.10")
    theirs.offer("lists", "2.9")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION lists", database=name)
        finding = fires(_made_up(ours, theirs, name), "PM2010")
        assert (finding.level, finding.subject) == (Level.WARNING, "Extension lists")
        theirs.offer("lists", "2.10")
        assert is_silent(_made_up(ours, theirs, name), "PM2010")


def test_an_extension_in_a_system_schema(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("unwise", "1.0")
    theirs.offer("unwise", "1.0")
    role = new_role(theirs.server, "CREATEDB CREATEROLE")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION unwise SCHEMA pg_catalog", database=name)
        endpoint = role.endpoint(theirs.server, Side.TARGET)
        finding = only(validated(ours.server, endpoint, name), "603407")
        assert finding.level is Level.FAILED
        assert not of_code(_made_up(ours, theirs, name), "603407")
        ours.server.psql(finding.fix_sql, database=name)
        assert not of_code(validated(ours.server, endpoint, name), "603407")
    drop_role(theirs.server, role)


def test_jobs_that_would_run_twice(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("pg_cron", "1.6", CRON, schema="pg_catalog")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION pg_cron", database=name)
        assert not of_code(_made_up(ours, theirs, name), "PM2013")
        ours.server.psql(
            f"INSERT INTO cron.job VALUES (7, '0 3 * * *', 'VACUUM', '{name}', 'postgres', true)", database=name
        )
        finding = only(_made_up(ours, theirs, name), "PM2013")
        assert "job 7 (0 3 * * *: VACUUM)" in finding.saw
        ours.server.psql(finding.fix_sql, database=name)
        assert not of_code(_made_up(ours, theirs, name), "PM2013")


def test_jobs_that_are_left_behind(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("pg_cron", "1.6", CRON, schema="pg_catalog")
    with ours.server.fresh_database() as name, ours.server.fresh_database() as other:
        ours.server.psql(
            "CREATE EXTENSION pg_cron;"
            f"INSERT INTO cron.job VALUES (1, '* * * * *', 'SELECT ''x''', '{name}', 'app', true),"
            "(2, '* * * * *', 'SELECT 2', 'postgres', 'app', true)"
        )
        finding = only(_made_up(ours, theirs, name), "PM1084")
        assert finding.fix_sql == (
            "SELECT cron.schedule_in_database('job 1 of the source', '* * * * *', 'SELECT ''x''', "
            f"'{name}_moved', 'app');"
        )
        assert not of_code(_made_up(ours, theirs, other), "PM1084")
        ours.server.psql(finding.fix.split("\n", 1)[1])
        assert is_silent(_made_up(ours, theirs, name), "PM1084")
        _scheduled_on_the_target(theirs, finding.fix_sql, name)
        ours.server.psql("DROP EXTENSION pg_cron")


def _scheduled_on_the_target(theirs: MadeUp, script: str, name: str) -> None:
    theirs.offer("pg_cron", "1.6", CRON, schema="pg_catalog")
    with theirs.server.fresh_database() as home:
        theirs.server.psql(f"CREATE EXTENSION pg_cron; {script}", database=home)
        jobs = theirs.server.psql("SELECT schedule, command, database, username FROM cron.job", database=home)
        assert jobs == f"* * * * *|SELECT 'x'|{name}_moved|app"


def test_jobs_that_are_kept_in_another_database(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("pg_cron", "1.6", CRON, schema="pg_catalog")
    with ours.server.fresh_database() as name, ours.server.fresh_database() as home:
        ours.server.psql(
            f"CREATE EXTENSION pg_cron;INSERT INTO cron.job VALUES (1, '* * * * *', 'SELECT 1', '{name}', 'app', true)",
            database=home,
        )
        assert not of_code(_made_up(ours, theirs, name), "PM1084")
        ours.server.psql(f"ALTER ROLE {ours.server.superuser} SET cron.database_name = '{home}'")
        assert only(_made_up(ours, theirs, name), "PM1084").saw.startswith(f"{home} of the source has job 1")
        assert not of_code(_made_up(ours, theirs, home), "PM1084")
        ours.server.psql(f"ALTER ROLE {ours.server.superuser} RESET cron.database_name")


def test_extensions_that_act_by_themselves(ours: MadeUp, theirs: MadeUp) -> None:
    """TimescaleDB stays a warning whatever is done: its procedure has to be rehearsed."""
    ours.offer("pg_partman", "5.2.4", PARTMAN)
    ours.offer("timescaledb", "2.1.0", TIMESCALE)
    ours.offer("pg_ivm", "1.9")
    with ours.server.fresh_database() as name:
        assert not {"PM2014", "PM2015"} & {finding.code for finding in _made_up(ours, theirs, name)}
        ours.server.psql("CREATE EXTENSION pg_partman; CREATE EXTENSION timescaledb", database=name)
        assert is_silent(_made_up(ours, theirs, name), "PM2014")  # it keeps no table yet
        ours.server.psql("INSERT INTO part_config VALUES ('public.events')", database=name)
        findings = _made_up(ours, theirs, name)
        assert "keeps the partitions of public.events" in only(findings, "PM2014").saw
        assert only(findings, "PM2015").level is Level.FAILED
        for code in ("PM2014", "PM2015"):
            ours.server.psql(only(findings, code).fix_sql, database=name)
        theirs.offer("timescaledb", "2.1.0")
        findings = _made_up(ours, theirs, name)
        assert is_silent(findings, "PM2014")
        assert only(findings, "PM2015").level is Level.WARNING
        ours.server.psql("CREATE EXTENSION pg_ivm; DROP EXTENSION timescaledb CASCADE", database=name)
        findings = _made_up(ours, theirs, name)
        assert only(findings, "PM2014").subject == "Extension pg_ivm"
        assert is_silent(findings, "PM2015")


def test_a_trigger_on_a_table_of_an_extension(ours: MadeUp, theirs: MadeUp) -> None:
    ours.offer("lists", "1.0", "CREATE TABLE list (id int);")
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION lists", database=name)
        assert not of_code(_made_up(ours, theirs, name), "PM2016")
        ours.server.psql(
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER watched BEFORE INSERT ON list FOR EACH ROW EXECUTE FUNCTION watch()",
            database=name,
        )
        finding = only(_made_up(ours, theirs, name), "PM2016")
        assert finding.saw == "These are watched on public.list of lists."
        _made_on_the_target(ours, theirs, name, finding.fix_sql)
        ours.server.psql("DROP TRIGGER watched ON list", database=name)
        assert is_silent(_made_up(ours, theirs, name), "PM2016")


def _made_on_the_target(ours: MadeUp, theirs: MadeUp, name: str, script: str) -> None:
    """The function is copied, and so is the extension; the script makes the trigger."""
    theirs.offer("lists", "1.0", "CREATE TABLE list (id int);")
    definition = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    function = ours.server.psql("SELECT pg_get_functiondef('watch'::regproc)", database=name)
    with theirs.server.fresh_database() as moved:
        theirs.server.psql(f"CREATE EXTENSION lists; {function}; {script}", database=moved)
        assert theirs.server.psql(definition, database=moved) == ours.server.psql(definition, database=name)


def _made_up(ours: MadeUp, theirs: MadeUp, name: str) -> list[Finding]:
    return validated(ours.server, theirs.server, name)
