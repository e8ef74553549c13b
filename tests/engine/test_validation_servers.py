"""Rules about servers: versions, identity, read-only targets, names, room, rights on the target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationSpec, RolePolicy, Side
from migrations_app.engine.validation.context import ServerContext, see
from migrations_app.engine.validation.rules.versions import SOURCE_MAJORS, TARGET_MAJORS, source_version
from tests.engine.validating import database, drop_role, fires, is_silent, new_role, of_code, only, validated
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


def test_a_source_that_is_too_old(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No older server than 10 can be had here, so the bound is moved instead."""
    monkeypatch.setattr("migrations_app.engine.validation.rules.versions.SOURCE_MAJORS", range(15, 19))
    finding = only(validated(source, target, name), "603400")
    assert finding.level is Level.FAILED
    assert "PostgreSQL 14." in finding.saw
    assert "pg_upgrade" in finding.fix


def test_the_supported_versions() -> None:
    assert (SOURCE_MAJORS[0], SOURCE_MAJORS[-1], TARGET_MAJORS[0], TARGET_MAJORS[-1]) == (10, 18, 11, 18)


def test_a_target_that_is_too_old(servers: ServerPool, source: RunningServer, name: str) -> None:
    old = servers.get(10, name="old-target")
    findings = validated(source, old, name)
    assert only(findings, "PM1002").level is Level.FAILED
    assert only(findings, "PM1003").level is Level.FAILED


def test_a_downgrade(source: RunningServer, target: RunningServer) -> None:
    with target.fresh_database() as newer:
        finding = only(validated(target.endpoint(Side.SOURCE), source.endpoint(Side.TARGET), newer), "PM1003")
    assert finding.level is Level.FAILED
    assert finding.saw == "The source is PostgreSQL 18, the target PostgreSQL 14."


def test_a_database_onto_itself(source: RunningServer, name: str) -> None:
    same = validated(source, source.endpoint(Side.TARGET), database(name, name, overwrite=True))
    assert only(same, "PM1005").level is Level.FAILED
    assert not of_code(validated(source, source.endpoint(Side.TARGET), database(name, "another")), "PM1005")


def test_a_target_set_to_read_only(servers: ServerPool, source: RunningServer, name: str) -> None:
    with servers.fresh(18, default_transaction_read_only="on") as target:
        finding = only(validated(source, target, name), "603112")
    assert finding.level is Level.FAILED
    assert "default_transaction_read_only = off" in finding.fix_sql


def test_a_source_set_to_read_only_is_fine(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14) as source:
        source.create_database("shop")
        source.psql("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()")
        assert not [each for each in validated(source, target, "shop") if each.level is Level.FAILED]


def test_names_of_databases(source: RunningServer, target: RunningServer, name: str) -> None:
    findings = validated(
        source,
        target,
        database(name, "twice"),
        database("absent", "twice"),
        database("a", "x" * 64),
        database("b", "template1", overwrite=True),
        database("c", ""),
    )
    assert [finding.subject for finding in of_code(findings, "603102")] == ["absent", "a", "b", "c"]
    assert {finding.subject for finding in of_code(findings, "PM1021")} == {"twice"}
    assert fires(findings, "603102").fix.startswith("Check the name")
    assert fires(findings, "PM1021").fix.startswith("Give each database a name of its own")
    assert {finding.subject for finding in of_code(findings, "PM1022")} == {"x" * 64, "template1", ""}


def test_no_database_at_all(source: RunningServer, target: RunningServer) -> None:
    assert only(validated(source, target), "PM1024").level is Level.FAILED


def test_an_existing_target_without_consent(source: RunningServer, target: RunningServer, name: str) -> None:
    with target.fresh_database() as existing:
        assert only(validated(source, target, database(name, existing)), "603101").level is Level.FAILED
        assert not of_code(validated(source, target, database(name, existing, overwrite=True)), "603101")


def test_the_database_the_portal_logs_in_to_cannot_be_overwritten(
    source: RunningServer, target: RunningServer, name: str
) -> None:
    finding = only(validated(source, target, database(name, "postgres", overwrite=True)), "PM1023")
    assert finding.level is Level.FAILED


def test_an_existing_target_of_somebody_else(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(target, "CREATEDB CREATEROLE")
    with target.fresh_database() as existing:
        endpoint = role.endpoint(target, Side.TARGET)
        finding = only(validated(source, endpoint, database(name, existing, overwrite=True)), "603117")
        assert finding.fix_sql == f'ALTER DATABASE "{existing}" OWNER TO "{role.name}";'
        target.psql(finding.fix_sql)
        assert not of_code(validated(source, endpoint, database(name, existing, overwrite=True)), "603117")
    drop_role(target, role)


def test_sessions_that_the_target_user_may_not_end(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(target, "CREATEDB CREATEROLE")
    with target.fresh_database() as existing:
        target.psql(f"ALTER DATABASE {existing} OWNER TO {role.name}")
        endpoint, spec = role.endpoint(target, Side.TARGET), database(name, existing, overwrite=True)
        with target.connect(existing):
            assert "session" in only(validated(source, endpoint, spec), "603111").saw
            assert not of_code(validated(source, target, spec), "603111")
        assert not of_code(validated(source, endpoint, spec), "603111")
    drop_role(target, role)


def test_a_replication_slot_in_a_target_that_is_overwritten(
    source: RunningServer, target: RunningServer, name: str
) -> None:
    with target.fresh_database() as existing:
        slot = "SELECT pg_create_logical_replication_slot('in_the_way', 'pgoutput')"
        target.psql(slot, database=existing)
        finding = only(validated(source, target, database(name, existing, overwrite=True)), "603111")
        target.psql("SELECT pg_drop_replication_slot('in_the_way')", database=existing)
    assert "replication slot in_the_way" in finding.saw


def test_a_target_user_without_rights(source: RunningServer, target: RunningServer, name: str) -> None:
    role, owner = new_role(target), new_role(source)
    endpoint = role.endpoint(target, Side.TARGET)
    findings = validated(source, endpoint, name)
    assert only(findings, "PM1030").fix_sql == f'ALTER ROLE "{role.name}" CREATEDB;'
    assert only(findings, "603116").fix_sql == f'ALTER ROLE "{role.name}" CREATEROLE;'
    assert not of_code(validated(source, endpoint, name, roles=RolePolicy.SKIP), "603116")
    target.psql(f"ALTER ROLE {role.name} CREATEDB CREATEROLE")
    assert not {"PM1030", "603116"} & {finding.code for finding in validated(source, endpoint, name)}
    drop_role(target, role)
    drop_role(source, owner)


def test_too_little_disk(source: RunningServer, target: RunningServer, name: str) -> None:
    finding = only(validated(source, target, name, target_free_bytes=1_000_000), "PM1010")
    assert finding.level is Level.FAILED
    assert "stated in the options" in finding.saw
    assert not of_code(validated(source, target, name, target_free_bytes=GIGABYTE), "PM1010")
    assert not of_code(validated(source, target, name), "PM1010")  # measured with df


def test_disk_that_cannot_be_measured(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(target, "CREATEDB CREATEROLE")
    endpoint = role.endpoint(target, Side.TARGET)
    assert only(validated(source, endpoint, name), "PM1010").level is Level.UNKNOWN
    assert not of_code(validated(source, endpoint, name, target_free_bytes=GIGABYTE), "PM1010")
    drop_role(target, role)


def test_too_few_connections(source: RunningServer, target: RunningServer, name: str) -> None:
    findings = of_code(validated(source, target, name, jobs=100), "PM1011")
    assert {finding.subject.split()[0] for finding in findings} == {"Source", "Target"}
    assert all("lower the parallelism to" in finding.fix for finding in findings)


def test_a_connection_limit_of_the_user(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(source, "CONNECTION LIMIT 3")
    finding = only(validated(role.endpoint(source, Side.SOURCE), target, name, jobs=4), "PM1011")
    assert finding.level is Level.FAILED
    drop_role(source, role)


def test_more_tables_than_locks(servers: ServerPool, target: RunningServer) -> None:
    settings = {"max_locks_per_transaction": 10, "max_connections": 20}
    with servers.fresh(14, **settings) as source, servers.fresh(18, **settings) as small:
        source.create_database("many")
        source.psql(
            "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
            "DO $$ BEGIN FOR i IN 1..600 LOOP EXECUTE format("
            "'CREATE TABLE p%s PARTITION OF p FOR VALUES FROM (%s) TO (%s)', i, i, i + 1); END LOOP; END $$",
            database="many",
        )
        findings = of_code(validated(source, small, "many"), "PM1012")
        fires(findings, "PM1012")
        assert {finding.subject.split()[0] for finding in findings} == {"Source", "Target"}
        assert {finding.level for finding in findings} == {Level.WARNING}
        source.psql(findings[0].fix_sql)
        source.restart()
        findings = of_code(validated(source, target, "many"), "PM1012")
        assert findings == []


def test_a_source_newer_than_the_tools(source: RunningServer, target: RunningServer) -> None:
    """There is no PostgreSQL 19 yet: the server is real, its version is played."""
    seen, other = see(Server(source.endpoint(Side.SOURCE))), see(Server(target.endpoint(Side.TARGET)))
    spec = MigrationSpec("4b1e", "test", seen.server.endpoint, other.server.endpoint, ())
    newer = replace(seen, facts=replace(seen.facts, major=19))
    assert fires(list(source_version(ServerContext(spec, newer, other))), "PM1001").level is Level.FAILED
    assert is_silent(list(source_version(ServerContext(spec, seen, other))), "PM1001", "603400")
