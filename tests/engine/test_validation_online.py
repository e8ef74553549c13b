"""What online needs of servers and users: healthy pairs are quiet, offline is silent, each fix turns its finding green."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationMode, MigrationSpec, Side
from migrations_app.engine.validation.context import ServerContext, see
from migrations_app.engine.validation.rules import replication_endpoint, replication_wal
from tests.engine.test_validation_frame import HEALTHY, PAIRS
from tests.engine.validating import drop_role, fires, is_silent, new_role, of_code, only, serious
from tests.engine.validating_online import of_online, validated_online
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


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_healthy_pair_is_ready(servers: ServerPool, old: int, new: int) -> None:
    source, target = servers.get(old, name="healthy-source"), servers.get(new, name="healthy-target")
    with source.fresh_database() as name:
        source.psql(HEALTHY, database=name)
        findings = validated_online(source, target, name)
    assert {finding.code for finding in serious(findings)} == ({"PM3076"} if old == 10 else set())
    engine = only(findings, "PM3060")
    assert f"the target would read from 127.0.0.1:{source.port} itself" in engine.saw
    assert "session_replication_role can be set; replication origins can be used" in engine.saw


def test_offline_hears_nothing_of_it(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(18, wal_level="replica", max_wal_senders=2, idle_replication_slot_timeout="1min") as source:
        source.create_database("shop")
        source.psql("CREATE TABLE t (id int)", database="shop")
        assert {"603106", "603107", "PM3011", "PM3020"} <= {
            each.code for each in validated_online(source, target, "shop")
        }
        offline = validated_online(source, target, "shop", mode=MigrationMode.OFFLINE)
        assert is_silent(offline, "PM3035", "PM3060")
    assert not [each for each in offline if each.code.startswith("PM3") or each.code in ("603106", "603107")]


def test_settings_of_a_source_that_is_not_prepared(servers: ServerPool, target: RunningServer) -> None:
    """Every fix is applied, and then all is well."""
    settings = {"wal_level": "replica", "max_wal_senders": 2, "max_replication_slots": 2, "wal_sender_timeout": "5s"}
    more = {"idle_replication_slot_timeout": "90s", "transaction_timeout": "2h"}
    with servers.fresh(18, **settings, **more) as source:
        for each in ("a", "b", "c"):
            source.create_database(each)
        findings = validated_online(source, target, "a", "b", "c")
        assert only(findings, "603107").saw == "wal_level is replica."
        assert "0 slots of 2 (max_replication_slots) in use; 3 databases need 3 more" in only(findings, "603105").saw
        assert only(findings, "603106").level is Level.FAILED
        assert only(findings, "PM3010").saw == "It is 5 s."
        assert "for 90 s" in only(findings, "PM3011").saw
        assert "transaction_timeout is 7,200 s" in only(findings, "PM3012").saw
        for finding in of_online(findings):
            source.psql(finding.fix_sql)
        pending = only(validated_online(source, target, "a", "b", "c"), "603107")
        assert "Another value was saved and waits for a restart." in pending.saw
        source.restart()
        assert of_online(validated_online(source, target, "a", "b", "c")) == []


def test_slots_that_are_in_use(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14, max_replication_slots=1, max_wal_senders=1) as source:
        source.create_database("shop")
        source.psql("SELECT pg_create_logical_replication_slot('idle', 'pgoutput')", database="shop")
        finding = only(validated_online(source, target, "shop"), "603105")
        assert "1 slot of 1 (max_replication_slots) in use; 1 database needs one more" in finding.saw
        assert "drop slots that nobody reads (idle)" in finding.fix
        source.psql("SELECT pg_drop_replication_slot('idle')", database="shop")
        assert of_online(validated_online(source, target, "shop")) == []


def test_fewer_walsenders_than_slots(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14, max_wal_senders=4) as source:
        source.create_database("shop")
        finding = only(validated_online(source, target, "shop"), "603106")
    assert (finding.level, finding.subject) == (Level.WARNING, f"Source 127.0.0.1:{source.port}")
    assert "0 walsenders of 4 (max_wal_senders) in use" in finding.saw


def test_a_source_that_waits_for_ever(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14, wal_sender_timeout=0) as source:
        source.create_database("shop")
        assert only(validated_online(source, target, "shop"), "PM3010").level is Level.INFO


def test_complaint_19_wal_that_a_slot_may_not_keep(
    servers: ServerPool, target: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication_wal, "MEASURED_SECONDS", 0.5)
    with servers.fresh(14) as source:
        source.create_database("shop")
        source.psql("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 60000)", database="shop")
        source.psql("ALTER SYSTEM SET max_slot_wal_keep_size = '100MB'; SELECT pg_reload_conf()")
        finding = only(validated_online(source, target, "shop"), "PM3013")
        assert finding.saw.startswith("max_slot_wal_keep_size is 100.0 MB. The source writes ")
        assert "on average" in finding.saw
        source.psql(finding.fix_sql)
        findings = validated_online(source, target, "shop")
        assert is_silent(findings, "PM3013")
        assert "of WAL a second now" in fires(findings, "PM3014").saw


def test_the_right_to_replicate(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(source)
    endpoint = role.endpoint(source, Side.SOURCE)
    finding = only(validated_online(endpoint, target, name), "603104")
    assert finding.level is Level.FAILED
    assert "walsender" in finding.server_message
    source.psql(finding.fix_sql)
    assert not {"603104", "PM3071"} & {each.code for each in validated_online(endpoint, target, name)}
    drop_role(source, role)


def test_a_role_of_the_service_is_proved_and_not_believed(servers: ServerPool, target: RunningServer) -> None:
    """PostgreSQL as it is honours the attribute alone; the membership that would do on RDS is tried."""
    with servers.fresh(15, **{"rds.extensions": "hstore"}) as source:
        source.psql(
            "CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; CREATE ROLE rds_replication; CREATE DATABASE shop"
        )
        role = new_role(source)
        source.psql(f"GRANT rds_replication TO {role.name}")
        endpoint = role.endpoint(source, Side.SOURCE)
        finding = only(validated_online(endpoint, target, "shop"), "603104")
        assert "rds_replication" in finding.saw
        assert f'GRANT rds_replication TO "{role.name}"' in finding.fix_sql
        source.psql(f"ALTER ROLE {role.name} REPLICATION")
        assert not of_code(validated_online(endpoint, target, "shop"), "603104")


def test_a_refused_replication_connection(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14, max_wal_senders=0, wal_level="minimal") as source:
        source.create_database("shop")
        finding = only(validated_online(source, target, "shop"), "PM3071")
    assert "max_wal_senders" in finding.fix
    assert finding.server_message


@pytest.mark.parametrize("major", [10, 14, 16, 18])
def test_publishing_tables_of_others(servers: ServerPool, target: RunningServer, major: int) -> None:
    source = servers.get(major, name="validated-source")
    owner, mover = new_role(source), new_role(source, "REPLICATION")
    with source.fresh_database() as name:
        source.psql(
            f"CREATE SCHEMA app AUTHORIZATION {owner.name}; SET ROLE {owner.name};"
            "CREATE TABLE app.t (id int PRIMARY KEY);"
            "CREATE TABLE app.p (id int) PARTITION BY RANGE (id);"
            "CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (1) TO (9)",
            database=name,
        )
        endpoint = mover.endpoint(source, Side.SOURCE)
        findings = validated_online(endpoint, target, name)
        assert only(findings, "PM3072").fix_sql == f'GRANT CREATE ON DATABASE "{name}" TO "{mover.name}";'
        unowned = only(findings, "PM3073")
        assert unowned.subject == f"2 tables of {name}"
        assert f"2 tables of {owner.name} (" in unowned.saw
        for finding in (only(findings, "PM3072"), unowned):
            source.psql(finding.fix_sql, database=name)
        assert not {"PM3072", "PM3073"} & {each.code for each in validated_online(endpoint, target, name)}
        source.psql(f"DROP OWNED BY {owner.name}; DROP OWNED BY {mover.name}", database=name)
    source.psql(f"DROP ROLE {owner.name}; DROP ROLE {mover.name}")


def test_a_member_that_does_not_inherit(source: RunningServer, target: RunningServer, name: str) -> None:
    owner, mover = new_role(source), new_role(source, "NOINHERIT REPLICATION")
    source.psql(f"CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO {owner.name}", database=name)
    source.psql(f"GRANT {owner.name} TO {mover.name}")
    endpoint = mover.endpoint(source, Side.SOURCE)
    finding = only(validated_online(endpoint, target, name), "PM3073")
    assert finding.fix_sql == f'ALTER ROLE "{mover.name}" INHERIT;'
    source.psql(finding.fix_sql)
    assert not of_code(validated_online(endpoint, target, name), "PM3073")
    source.psql(f"DROP OWNED BY {owner.name}", database=name)
    source.psql(f"DROP ROLE {owner.name}; DROP ROLE {mover.name}")


def test_a_user_with_hardly_any_right_gets_no_crash(servers: ServerPool, target: RunningServer) -> None:
    for major in (10, 14, 18):
        source = servers.get(major, name="validated-source")
        role = new_role(source)
        with source.fresh_database() as name:
            source.psql(HEALTHY, database=name)
            findings = validated_online(role.endpoint(source, Side.SOURCE), target, name)
        assert not [each for each in findings if "the check itself failed" in each.saw]
        assert {"603104", "PM3072", "PM3073"} <= {each.code for each in findings}
        drop_role(source, role)


def test_a_service_without_replication(servers: ServerPool, target: RunningServer) -> None:
    with servers.fresh(14) as source:
        source.psql("CREATE ROLE doadmin; CREATE ROLE _dodb; CREATE DATABASE _dodb; CREATE DATABASE shop")
        finding = only(validated_online(source, target, "shop"), "PM3070")
    assert finding.level is Level.FAILED
    assert "Change the mode to Offline" in finding.fix
    assert "DigitalOcean" in finding.saw


def _looked_at(source: RunningServer, target: RunningServer, **facts: str) -> ServerContext:
    """Return both servers as they were seen, with the source's facts changed as by its address."""
    seen = see(Server(source.endpoint(Side.SOURCE)))
    spec = MigrationSpec("4b1e", "test", source.endpoint(), target.endpoint(), (), mode=MigrationMode.ONLINE)
    seen = replace(seen, facts=replace(seen.facts, **facts))  # type: ignore[arg-type]
    return ServerContext(spec, seen, see(Server(target.endpoint(Side.TARGET))))


def test_addresses_that_do_not_lead_to_the_primary_itself(source: RunningServer, target: RunningServer) -> None:
    """No host name of a service can be had here: the servers are real, their names are played."""
    reader = "shop.cluster-ro-abc.eu-west-1.rds.amazonaws.com"
    (finding,) = replication_endpoint.source_is_the_primary(
        _looked_at(source, target, host=reader, provider="AWS_AURORA")
    )
    assert "Use the writer endpoint" in finding.fix
    writer = _looked_at(source, target, host=reader.replace("-ro-", "-"), provider="AWS_AURORA")
    assert not list(replication_endpoint.source_is_the_primary(writer))
    assert not list(replication_endpoint.source_is_direct(writer))
    (finding,) = replication_endpoint.source_is_direct(_looked_at(source, target, pooler="session"))
    assert (finding.code, finding.level) == ("PM3075", Level.FAILED)
    proxy = "shop.proxy-abc.eu-west-1.rds.amazonaws.com"
    (finding,) = replication_endpoint.source_is_direct(_looked_at(source, target, host=proxy, provider="AWS_RDS"))
    assert "RDS Proxy" in finding.saw


@pytest.mark.parametrize("major", [14, 18])
def test_a_standby(servers: ServerPool, target: RunningServer, major: int) -> None:
    with servers.fresh(major, hot_standby="on") as source:
        source.create_database("shop")
        source.stop()
        signal = Path(source.cluster.data_dir) / "standby.signal"
        signal.touch()
        shutil.chown(signal, Path(source.cluster.data_dir).stat().st_uid, Path(source.cluster.data_dir).stat().st_gid)
        source.start()
        findings = validated_online(source, target, "shop")
    assert ("cannot decode WAL" in only(findings, "PM3074").saw) is (major == 14)
    assert only(findings, "PM3074").level is Level.FAILED
    assert not [each for each in findings if "the check itself failed" in each.saw]


def test_a_target_that_could_not_subscribe(servers: ServerPool, source: RunningServer, name: str) -> None:
    target = servers.get(15, name="fifteen")
    role = new_role(target, "CREATEDB CREATEROLE")
    endpoint = role.endpoint(target, Side.TARGET)
    findings = validated_online(source, endpoint, name)
    assert "The portal would apply the changes: before PostgreSQL 16 only a superuser" in only(findings, "PM3060").saw
    assert "replication origins cannot be used" in only(findings, "PM3060").saw
    silence = only(findings, "PM3061")
    target.psql(silence.fix_sql)
    assert not of_code(validated_online(source, endpoint, name), "PM3061")
    drop_role(target, role)


def test_a_member_of_pg_create_subscription(source: RunningServer, target: RunningServer, name: str) -> None:
    role = new_role(target, "CREATEDB CREATEROLE")
    endpoint = role.endpoint(target, Side.TARGET)
    assert (
        "neither superuser nor member of pg_create_subscription"
        in only(validated_online(source, endpoint, name), "PM3060").saw
    )
    target.psql(f"GRANT pg_create_subscription TO {role.name}")
    assert f"{role.name} may create subscriptions" in only(validated_online(source, endpoint, name), "PM3060").saw
    drop_role(target, role)


def test_a_source_whose_certificate_is_checked(servers: ServerPool, target: RunningServer) -> None:
    source = servers.get(17, tls=True)
    with source.fresh_database() as name:
        finding = only(validated_online(source, target, name), "PM3060")
        assert "a file that the target's machine does not have" in finding.saw
        require = replace(source.endpoint(Side.SOURCE), sslmode="require")
        assert "may create subscriptions" in only(validated_online(require, target, name), "PM3060").saw


def test_too_little_room_for_subscriptions(servers: ServerPool, source: RunningServer, name: str) -> None:
    settings = {"max_logical_replication_workers": 0, "max_active_replication_origins": 0}
    with servers.fresh(18, **settings) as target:
        findings = validated_online(source, target, name)
        assert "max_logical_replication_workers is 0" in only(findings, "PM3015").saw
        assert "max_active_replication_origins is 0" in only(findings, "PM3016").saw
        for code in ("PM3015", "PM3016"):
            target.psql(only(findings, code).fix_sql)
        target.restart()
        assert of_online(validated_online(source, target, name)) == []


def test_an_azure_target_has_sixteen_worker_processes(servers: ServerPool, source: RunningServer, name: str) -> None:
    with servers.fresh(18, **{"azure.extensions": "PG_TRGM"}) as target:
        target.psql("CREATE ROLE azure_pg_admin; CREATE DATABASE azure_maintenance")
        finding = only(validated_online(source, target, name), "PM3015")
        assert "max_worker_processes 8. Microsoft asks for 16" in finding.saw
        assert "--name max_worker_processes --value 16" in finding.fix
        target.psql("ALTER SYSTEM SET max_worker_processes = 16")
        target.restart()
        assert not of_code(validated_online(source, target, name), "PM3015")


def test_validation_leaves_nothing_behind(source: RunningServer, target: RunningServer, name: str) -> None:
    look = "SELECT count(*) FROM pg_replication_slots UNION ALL SELECT count(*) FROM pg_publication"
    before = [source.psql(look, database=name), target.psql(look)]
    validated_online(source, target, name)
    assert [source.psql(look, database=name), target.psql(look)] == before
