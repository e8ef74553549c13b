"""One cause is one finding: rules of both modes, of servers and of databases do not tell the same thing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import Endpoint, MigrationMode, Side
from tests.engine.validating import is_silent, of_code, only
from tests.engine.validating_online import validated_online
from tests.fixtures.made_up import CRON, PARTMAN, MadeUp
from tests.fixtures.providers import conditions, play
from tests.fixtures.proxies import pooling
from tests.fixtures.servers import RunningServer, ServerPool

ONLINE, OFFLINE = MigrationMode.ONLINE, MigrationMode.OFFLINE


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


def through(server: RunningServer, port: int, side: Side) -> Endpoint:
    return replace(server.endpoint(side), port=port)


def test_a_pooler_before_the_source(servers: ServerPool, target: RunningServer) -> None:
    source = servers.get(14, name="validated-source")
    with pooling(source.port) as port:
        offline = validated_online(through(source, port, Side.SOURCE), target, "postgres", mode=OFFLINE)
        online = validated_online(through(source, port, Side.SOURCE), target, "postgres", mode=ONLINE)
    assert only(offline, "PM1004").subject.startswith("Source ")
    assert is_silent(offline, "PM3075")
    assert only(online, "PM3075").level is Level.FAILED
    assert is_silent(online, "PM1004")
    for mode in MigrationMode:
        assert is_silent(validated_online(source, target, "postgres", mode=mode), "PM1004", "PM3075")


def test_a_pooler_before_the_target(servers: ServerPool, target: RunningServer) -> None:
    source = servers.get(14, name="validated-source")
    with pooling(target.port) as port:
        findings = validated_online(source, through(target, port, Side.TARGET), "postgres", mode=ONLINE)
    assert only(findings, "PM1004").subject.startswith("Target ")
    assert is_silent(findings, "PM3075")


def test_a_standby(servers: ServerPool, target: RunningServer) -> None:
    writer = play(servers, "self", 18, name="matrix")
    with conditions.reader_of(servers, writer) as reader:
        offline = validated_online(reader.admin(), target, "postgres", mode=OFFLINE)
        online = validated_online(reader.admin(), target, "postgres", mode=ONLINE)
        as_target = validated_online(target, reader.admin(Side.TARGET), "postgres", mode=OFFLINE)
    assert only(offline, "PM1007").level is Level.INFO
    assert is_silent(offline, "PM1091", "PM3074")
    assert only(online, "PM3074").level is Level.FAILED
    assert is_silent(online, "PM1007", "PM1091")
    assert only(as_target, "PM1006").level is Level.FAILED
    assert is_silent(as_target, "PM1091", "603112")
    for mode in MigrationMode:
        findings = validated_online(writer.admin(), target, "postgres", mode=mode)
        assert is_silent(findings, "PM1006", "PM1007", "PM1091", "PM3074")


@pytest.fixture(scope="module")
def ours(servers: ServerPool) -> MadeUp:
    made_up = MadeUp(servers, "made-up-source")
    made_up.offer("pg_cron", "1.6", CRON, schema="pg_catalog")
    made_up.offer("pg_partman", "5.2.4", PARTMAN)
    return made_up


@contextmanager
def scheduler_at(ours: MadeUp, home: str, *, moving: str) -> Iterator[None]:
    """pg_cron keeps its jobs in ``home``: one that changes the schema, one that does not, one of another database."""
    ours.server.psql(f"ALTER ROLE {ours.server.superuser} SET cron.database_name = '{home}'")
    ours.server.psql(
        "CREATE EXTENSION pg_cron;"
        f"INSERT INTO cron.job VALUES (1, '0 1 * * *', 'CREATE TABLE daily (id int)', '{moving}', 'app', true),"
        f"(2, '0 2 * * *', 'VACUUM', '{moving}', 'app', true)",
        database=home,
    )
    try:
        yield
    finally:
        ours.server.psql(f"ALTER ROLE {ours.server.superuser} RESET cron.database_name")


def jobs_of(findings: list[Finding], code: str) -> list[str]:
    """The numbers of the jobs that the only finding of a code names."""
    return [number for number in ("job 1 ", "job 2 ") if number in only(findings, code).saw]


def test_jobs_of_a_database_that_moves(ours: MadeUp, target: RunningServer) -> None:
    with ours.server.fresh_database() as name, scheduler_at(ours, name, moving=name):
        offline = validated_online(ours.server, target, name, mode=OFFLINE)
        assert jobs_of(offline, "PM2013") == ["job 1 ", "job 2 "]
        assert is_silent(offline, "PM1084", "PM3050")
        online = validated_online(ours.server, target, name, mode=ONLINE)
        assert (jobs_of(online, "PM3050"), jobs_of(online, "PM2013")) == (["job 1 "], ["job 2 "])
        assert "They arrive paused" in only(online, "PM3050").fix
        assert is_silent(online, "PM1084")
        for code in ("PM3050", "PM2013"):
            ours.server.psql(only(online, code).fix_sql, database=name)
        assert is_silent(validated_online(ours.server, target, name), "PM1084", "PM2013", "PM3050")


def test_jobs_of_a_database_that_stays(ours: MadeUp, target: RunningServer) -> None:
    with (
        ours.server.fresh_database() as name,
        ours.server.fresh_database() as home,
        scheduler_at(ours, home, moving=name),
    ):
        offline = validated_online(ours.server, target, name, mode=OFFLINE)
        assert jobs_of(offline, "PM1084") == ["job 1 ", "job 2 "]
        assert is_silent(offline, "PM2013", "PM3050")
        online = validated_online(ours.server, target, name, mode=ONLINE)
        assert (jobs_of(online, "PM3050"), jobs_of(online, "PM1084")) == (["job 1 "], ["job 2 "])
        assert "SELECT cron.schedule_in_database('job 1 of the source', '0 1 * * *'" in only(online, "PM3050").fix
        assert is_silent(online, "PM2013")
        ours.server.psql(only(online, "PM3050").fix_sql, database=home)
        ours.server.psql(only(online, "PM1084").fix.split("\n", 1)[1], database=home)
        assert is_silent(validated_online(ours.server, target, name), "PM1084", "PM2013", "PM3050")


def test_partitions_that_an_extension_keeps(ours: MadeUp, target: RunningServer) -> None:
    with ours.server.fresh_database() as name:
        ours.server.psql("CREATE EXTENSION pg_partman; INSERT INTO part_config VALUES ('public.x')", database=name)
        offline = validated_online(ours.server, target, name, mode=OFFLINE)
        online = validated_online(ours.server, target, name, mode=ONLINE)
    assert len(of_code(offline, "PM2014")) == 1
    assert is_silent(offline, "PM3051")
    assert len(of_code(online, "PM3051")) == 1
    assert is_silent(online, "PM2014")
