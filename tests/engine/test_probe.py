"""Looking at servers of every version, as a superuser and as a user with no rights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import list_databases, list_tables, probe_server
from migrations_app.engine.spec import Side
from tests.engine.validating import Role, drop_role, new_role
from tests.fixtures.servers import RunningServer, ServerPool, free_port

MAJORS = [10, 11, 12, 13, 14, 15, 16, 17, 18]


@pytest.fixture
def server(servers: ServerPool) -> RunningServer:
    return servers.get(17, name="probed")


@pytest.fixture
def nobody(server: RunningServer) -> Iterator[Role]:
    role = new_role(server)
    yield role
    drop_role(server, role)


@pytest.mark.parametrize("major", MAJORS)
def test_every_version_as_superuser_and_as_nobody(servers: ServerPool, major: int) -> None:
    server = servers.get(major, name="probed")
    role = new_role(server)
    facts = probe_server(Server(server.endpoint(Side.TARGET)))
    assert (facts.major, facts.provider, facts.pooler) == (major, "OnPremises", "")
    assert facts.settings.version_text.startswith(f"PostgreSQL {major}.")
    assert facts.privileges.superuser and facts.privileges.read_password_hashes
    assert facts.free_bytes is not None and facts.free_bytes > 1_000_000
    assert facts.data_bytes is not None and facts.data_bytes > 1_000_000
    assert facts.settings.wal_level == "logical"
    assert facts.settings.shared_preload_libraries == ""
    assert 0 < facts.latency_ms < 5_000
    few = probe_server(Server(role.endpoint(server, Side.TARGET)))
    assert few.privileges.user == role.name
    assert not few.privileges.superuser and not few.privileges.read_password_hashes
    assert few.free_bytes is None and few.settings.shared_preload_libraries is None
    assert any("df" in note or "pg_execute_server_program" in note for note in few.notes)
    assert few.free_connections == facts.free_connections - facts.settings.superuser_reserved_connections
    json.dumps([facts.as_dict(), few.as_dict()])
    drop_role(server, role)


@pytest.mark.parametrize("major", [m for m in MAJORS if m > 10])
def test_available_extensions(servers: ServerPool, major: int) -> None:
    facts = probe_server(Server(servers.get(major, name="probed").endpoint()))
    by_name = {extension.name: extension for extension in facts.extensions or ()}
    assert by_name["pg_stat_statements"].needs_superuser
    assert bool(by_name["hstore"].trusted) is (major >= 13)


def test_the_source_is_never_asked_to_run_a_program(server: RunningServer) -> None:
    assert probe_server(Server(server.endpoint(Side.SOURCE))).free_bytes is None


def test_encryption(servers: ServerPool) -> None:
    server = servers.get(17, tls=True, name="probed")
    checked = probe_server(Server(server.endpoint(sslmode="verify-full"))).tls
    assert (checked.in_use, checked.certificate_checked) == (True, "authority and host name")
    assert (checked.version or "").startswith("TLSv1.") and checked.cipher and checked.bits
    assert probe_server(Server(server.endpoint(sslmode="verify-ca"))).tls.certificate_checked == "authority"
    assert probe_server(Server(server.endpoint(sslmode="require"))).tls.certificate_checked == "no"


def test_a_server_without_encryption(server: RunningServer) -> None:
    tls = probe_server(Server(server.endpoint(sslmode="prefer"))).tls
    assert (tls.in_use, tls.version, tls.certificate_checked) == (False, None, "no")


def test_rights_that_were_granted(server: RunningServer, nobody: Role) -> None:
    server.psql(
        f"ALTER ROLE {nobody.name} CREATEDB REPLICATION; GRANT pg_read_all_settings, pg_read_all_data TO {nobody.name};"
        f"GRANT SET ON PARAMETER session_replication_role TO {nobody.name}; GRANT pg_signal_backend TO {nobody.name}"
    )
    facts = probe_server(Server(nobody.endpoint(server, Side.TARGET)))
    rights = facts.privileges
    assert rights.create_database and rights.replication and rights.read_all_data and rights.signal_backends
    assert rights.set_session_replication_role and rights.read_all_settings
    assert not rights.create_role and not rights.execute_programs and not rights.bypass_rls
    assert rights.member_of == ["pg_read_all_data", "pg_read_all_settings", "pg_signal_backend"]
    assert facts.settings.shared_preload_libraries == ""


def test_a_server_that_does_not_answer(server: RunningServer) -> None:
    endpoint = server.endpoint()
    with pytest.raises(ConnectionFailed) as raised:
        probe_server(Server(type(endpoint)(**{**endpoint.__dict__, "port": free_port()})))
    assert raised.value.kind == "refused"


def test_a_connection_limit_bounds_the_free_connections(server: RunningServer, nobody: Role) -> None:
    server.psql(f"ALTER ROLE {nobody.name} CONNECTION LIMIT 5")
    assert probe_server(Server(nobody.endpoint(server, Side.SOURCE))).free_connections == 5


@pytest.mark.parametrize("major", MAJORS)
def test_databases(servers: ServerPool, major: int) -> None:
    server = servers.get(major, name="probed")
    role = new_role(server)
    with server.fresh_database("My Shop") as name, server.fresh_database("closed") as closed:
        server.psql("CREATE EXTENSION hstore; CREATE TABLE a (); CREATE TABLE b ()", database=name)
        server.psql(f"REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC")
        found = {facts.name: facts for facts in list_databases(Server(role.endpoint(server, Side.SOURCE)))}
        assert not {"template0", "template1"} & set(found)
        shop = found[name]
        assert (shop.owner, shop.encoding, shop.locale_provider) == (server.superuser, "UTF8", "libc")
        assert shop.table_count == 2 and shop.size_bytes and shop.problem == ""
        assert [extension.split()[0] for extension in shop.extensions or ()] == ["hstore", "plpgsql"]
        assert found[closed].table_count is None and found[closed].size_bytes is None
        assert found[closed].problem == "This user lacks the CONNECT privilege on the database."
        json.dumps(shop.as_dict())
    drop_role(server, role)


def test_databases_that_cannot_be_reached_in_time(server: RunningServer) -> None:
    with server.fresh_database() as name:
        found = {facts.name: facts for facts in list_databases(Server(server.endpoint()), time_limit_seconds=-1)}
    assert found[name].problem == "There was no time left to look into this database."
    assert found[name].size_bytes


def test_one_database_that_hangs_does_not_hold_up_the_list(server: RunningServer) -> None:
    with server.fresh_database() as name, server.connect(name, autocommit=False) as locker:
        locker.execute("LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        found = {facts.name: facts for facts in list_databases(Server(server.endpoint()), time_limit_seconds=3)}
        locker.rollback()
    assert time.monotonic() - started < 15
    assert found[name].table_count is None and "time limit" in found[name].problem
    assert found["postgres"].table_count is not None


def test_the_providers_own_databases_are_not_offered(servers: ServerPool) -> None:
    with servers.fresh(17) as server:
        server.psql("CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; CREATE DATABASE rdsadmin; CREATE DATABASE shop")
        assert [facts.name for facts in list_databases(Server(server.endpoint()))] == ["postgres", "shop"]


@pytest.mark.parametrize("major", MAJORS)
def test_tables(servers: ServerPool, major: int) -> None:
    server = servers.get(major, name="probed")
    with server.fresh_database() as name:
        server.psql(
            'CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."Ünïcode" (id int PRIMARY KEY, t text);'
            'INSERT INTO "My Schema"."Ünïcode" SELECT n, repeat(\'x\', 100) FROM generate_series(1, 1000) n; ANALYZE;'
            "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9);"
            "CREATE UNLOGGED TABLE u (); CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;"
            "CREATE SEQUENCE s; CREATE EXTENSION pg_stat_statements; ALTER TABLE u ENABLE ROW LEVEL SECURITY",
            database=name,
        )
        tables = {(facts.schema, facts.name): facts for facts in list_tables(Server(server.endpoint()), name)}
        blocked = _tables_while_locked(server, name)
    kinds = {name: facts.kind for (schema, name), facts in tables.items() if schema == "public"}
    assert kinds == {
        "p": "partitioned table",
        "p1": "table",
        "u": "table",
        "v": "view",
        "m": "materialized view",
        "s": "sequence",
    }
    weird = tables["My Schema", "Ünïcode"]
    assert (weird.rows_estimate, weird.has_primary_key) == (1000, True) and weird.bytes > 100_000
    assert tables["public", "p1"].is_partition and not tables["public", "p1"].has_primary_key
    assert tables["public", "u"].is_unlogged and tables["public", "u"].has_row_security
    assert blocked == len(tables)


def _tables_while_locked(server: RunningServer, name: str) -> int:
    """A table that somebody holds exclusively is listed too, without waiting."""
    with server.connect(name, autocommit=False) as locker:
        locker.execute('LOCK TABLE "My Schema"."Ünïcode"')
        count = len(list_tables(Server(server.endpoint()), name, time_limit_seconds=5))
        locker.rollback()
    return count


@pytest.mark.campaign
def test_a_thousand_databases(servers: ServerPool) -> None:
    _check_many(servers, count=1000)


def test_many_databases(servers: ServerPool) -> None:
    _check_many(servers, count=60)


def _check_many(servers: ServerPool, *, count: int) -> None:
    with servers.fresh(18) as server:
        with server.connect() as connection:
            for number in range(count):
                connection.execute(f"CREATE DATABASE db{number} STRATEGY file_copy".encode())
        started = time.monotonic()
        found = list_databases(Server(server.endpoint()), time_limit_seconds=20)
        elapsed = time.monotonic() - started
    assert len(found) == count + 1
    assert elapsed < 40
    assert all(facts.table_count is not None or facts.problem for facts in found)
