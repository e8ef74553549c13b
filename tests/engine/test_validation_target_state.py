"""Rules about the target's settings and state, on servers that are set so for one test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationMode, MigrationSpec, Side
from migrations_app.engine.validation import validate
from tests.engine.validating import (
    Recorder,
    Role,
    database,
    drop_role,
    fires,
    is_silent,
    new_role,
    of_code,
    only,
    validated,
)
from tests.fixtures.servers import RunningServer, ServerPool

GIGABYTE = 1024**3


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
def azure(servers: ServerPool) -> Iterator[RunningServer]:
    with servers.fresh(18, **{"azure.extensions": "PG_TRGM"}) as server:
        server.psql("CREATE ROLE azure_pg_admin; CREATE DATABASE azure_maintenance")
        yield server


def test_settings_that_hurt_and_their_fixes(servers: ServerPool, source: RunningServer, name: str) -> None:
    settings = {"synchronous_standby_names": "s1", "synchronous_commit": "off", "track_counts": "off"}
    with servers.fresh(18, **settings) as target:
        assert not of_code(validated(source, target, name), "PM1060")
        target.psql("ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()")
        findings = validated(source, target, name)
        assert "no such standby is connected" in only(findings, "PM1060").saw
        assert only(findings, "PM1062").saw == "autovacuum and track_counts are off."
        assert only(findings, "PM1062").level is Level.WARNING
        assert only(findings, "PM1063").saw == "fsync and full_page_writes are off."
        assert only(findings, "PM1063").level is Level.INFO
        target.psql("SET synchronous_commit = off;" + only(findings, "PM1060").fix_sql)
        for code in ("PM1062", "PM1063"):
            target.psql(only(findings, code).fix_sql)
        assert not {"PM1060", "PM1062", "PM1063"} & {each.code for each in validated(source, target, name)}


def test_an_archiver_that_fails(servers: ServerPool, source: RunningServer, name: str) -> None:
    with servers.fresh(18, archive_mode="on", archive_command="false") as target:
        target.psql("CREATE TABLE t (id int); SELECT pg_switch_wal()")
        target.psql(
            "DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM pg_sleep(0.1); PERFORM pg_stat_clear_snapshot();"
            "EXIT WHEN (SELECT failed_count > 0 FROM pg_stat_archiver); END LOOP; END $$"
        )
        assert "has archived nothing since" in only(validated(source, target, name), "PM1061").saw
        target.psql("ALTER SYSTEM SET archive_command = 'true'; SELECT pg_reload_conf()")
        target.psql(
            "DO $$ BEGIN FOR i IN 1..900 LOOP PERFORM pg_sleep(0.1); PERFORM pg_stat_clear_snapshot();"
            "EXIT WHEN (SELECT archived_count > 0 FROM pg_stat_archiver); END LOOP; END $$"
        )
        assert not of_code(validated(source, target, name), "PM1061")


def test_a_slot_that_nobody_reads(servers: ServerPool, source: RunningServer, name: str) -> None:
    with servers.fresh(18) as target:
        target.psql("SELECT pg_create_physical_replication_slot('forgotten', true)")
        finding = only(validated(source, target, name), "PM1065")
        assert "forgotten (keeps " in finding.saw
        target.psql(finding.fix_sql)
        assert not of_code(validated(source, target, name), "PM1065")


def test_small_settings_for_large_databases(source: RunningServer, target: RunningServer, name: str) -> None:
    """A file with a hole makes the database large, as pg_database_size counts the sizes of files."""
    assert is_silent(validated(source, target, name), "PM1064")
    number = source.psql(f"SELECT oid FROM pg_database WHERE datname = '{name}'")
    with (Path(source.cluster.data_dir) / "base" / number / "hole").open("wb") as file:
        file.truncate(11 * GIGABYTE)
    finding = only(validated(source, target, name), "PM1064")
    assert finding.fix_sql.splitlines()[0] == "ALTER SYSTEM SET maintenance_work_mem = '256MB';"
    assert "max_wal_size = '16GB'" in finding.fix_sql
    target.psql(finding.fix_sql)
    try:
        assert is_silent(validated(source, target, name), "PM1064")
    finally:
        target.psql("ALTER SYSTEM RESET maintenance_work_mem; ALTER SYSTEM RESET max_wal_size; SELECT pg_reload_conf()")


def test_data_that_will_be_dropped(source: RunningServer, target: RunningServer, name: str) -> None:
    with target.fresh_database() as existing:
        overwritten = database(name, existing, overwrite=True)
        assert not of_code(validated(source, target, overwritten), "PM1025")
        target.psql("CREATE TABLE orders (id int)", database=existing)
        finding = only(validated(source, target, overwritten), "PM1025")
        assert "1 table, " in finding.saw
        assert "public.orders" in finding.saw
        renamed = database(name, f"{existing}_too", overwrite=True)  # the fix
        assert is_silent(validated(source, target, renamed), "PM1025")
        role = new_role(target, "CREATEDB CREATEROLE")
        target.psql(f"REVOKE CONNECT ON DATABASE {existing} FROM PUBLIC")
        hidden = only(validated(source, role.endpoint(target, Side.TARGET), overwritten), "PM1025")
        assert hidden.level is Level.UNKNOWN
        drop_role(target, role)


def test_a_read_only_source_by_mode(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14) as source:
        source.create_database("shop")
        assert not of_code(_by_mode(source, target, MigrationMode.ONLINE), "603112")
        source.psql("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()")
        assert only(_by_mode(source, target, MigrationMode.OFFLINE), "603112").level is Level.INFO
        finding = only(_by_mode(source, target, MigrationMode.ONLINE), "603112")
        assert finding.level is Level.FAILED
        assert finding.subject.startswith("Source ")
        source.psql(finding.fix_sql)
        assert not of_code(_by_mode(source, target, MigrationMode.ONLINE), "603112")


def _by_mode(source: RunningServer, target: RunningServer, mode: MigrationMode) -> list[Finding]:
    endpoints = source.endpoint(Side.SOURCE), target.endpoint(Side.TARGET)
    spec = MigrationSpec("4b1e", "test", *endpoints, (database("shop"),), mode=mode)
    return validate(spec, Server(endpoints[0]), Server(endpoints[1]), Recorder())


def test_a_fence_that_would_be_copied(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(source)
    source.psql(
        f"ALTER DATABASE {name} SET default_transaction_read_only = on;"
        f"ALTER ROLE {role.name} IN DATABASE {name} SET default_transaction_read_only = on"
    )
    findings = of_code(validated(source, target, name), "PM1051")
    fires(findings, "PM1051")
    assert {finding.subject for finding in findings} == {f"Database {name}", f"Role {role.name} in database {name}"}
    for finding in findings:
        source.psql("SET default_transaction_read_only = off;" + finding.fix_sql)
    assert not of_code(validated(source, target, name), "PM1051")
    drop_role(source, role)


def test_a_user_who_is_no_administrator_of_azure(source: RunningServer, azure: RunningServer, name: str) -> None:
    role = new_role(azure, "CREATEDB CREATEROLE")
    finding = only(validated(source, role.endpoint(azure, Side.TARGET), name), "603115")
    assert finding.level is Level.FAILED
    azure.psql(finding.fix_sql)
    assert not of_code(validated(source, role.endpoint(azure, Side.TARGET), name), "603115")


def test_the_remaining_storage_of_azure(source: RunningServer, azure: RunningServer, name: str) -> None:
    fix = only(validated(source, azure, name, target_free_bytes=2 * GIGABYTE), "PM1013").fix
    assert "autogrow" in fix
    told = re.search(r"by at least ([\d.]+) GB", fix)
    assert told
    enlarged = int((2 + float(told[1]) + 0.05) * GIGABYTE)  # it is told to one digit
    assert is_silent(validated(source, azure, name, target_free_bytes=enlarged), "PM1013")


def test_the_local_disk_of_azure(servers: ServerPool, source: RunningServer, name: str) -> None:
    setting = "azure.enable_temp_tablespaces_on_local_ssd"
    with servers.fresh(18, **{"azure.extensions": "", setting: "on"}) as azure:
        azure.psql("CREATE ROLE azure_pg_admin; CREATE DATABASE azure_maintenance")
        finding = only(validated(source, azure, name), "PM1069")
        command = re.search(r"az postgres flexible-server parameter set .*--name (\S+) --value (\S+)", finding.fix)
        assert command, finding.fix
        assert command.groups() == (setting, "off")
        azure.psql(f"ALTER SYSTEM SET {command[1]} = {command[2]}; SELECT pg_reload_conf()")  # as the service does
        assert not of_code(validated(source, azure, name), "PM1069")


@pytest.fixture
def hashed(source: RunningServer) -> Iterator[Role]:
    role = new_role(source)
    source.psql(f"SET password_encryption = 'md5'; ALTER ROLE {role.name} PASSWORD 'secret'")
    yield role
    drop_role(source, role)


def test_passwords_as_md5(
    servers: ServerPool, source: RunningServer, target: RunningServer, name: str, hashed: Role
) -> None:
    finding = only(validated(source, target, name), "PM1045")
    assert finding.level is Level.INFO
    assert hashed.name in finding.saw
    settings = {"azure.extensions": "", "azure.accepted_password_auth_method": "scram-sha-256"}
    with servers.fresh(18, **settings) as azure:
        azure.psql("CREATE ROLE azure_pg_admin; CREATE DATABASE azure_maintenance")
        assert only(validated(source, azure, name), "PM1045").level is Level.WARNING
    source.psql(finding.fix_sql)
    assert not of_code(validated(source, target, name), "PM1045")


def test_the_owner_of_public(source: RunningServer, azure: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(source)
    assert not of_code(validated(source, azure, name), "PM2056")
    source.psql(f"ALTER SCHEMA public OWNER TO {role.name}", database=name)
    finding = only(validated(source, azure, name), "PM2056")
    assert finding.fix_sql == f'GRANT ALL ON SCHEMA public TO "{role.name}" WITH GRANT OPTION;'
    assert is_silent(validated(source, target, name), "PM2056")
    azure.psql(f"CREATE ROLE {role.name}; CREATE DATABASE moved; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    azure.psql(finding.fix_sql, database="moved")  # on the target after the migration: what was lost is there
    azure.psql(f"SET ROLE {role.name}; CREATE TABLE public.t (x int)", database="moved")
    source.psql(f"ALTER SCHEMA public OWNER TO {source.superuser}", database=name)
    assert is_silent(validated(source, azure, name), "PM2056")
    source.psql(f"ALTER SCHEMA public OWNER TO {source.superuser}; DROP OWNED BY {role.name}", database=name)
    drop_role(source, role)
