"""The sample database builds on old and new servers, is the same everywhere, and PostgreSQL's own tools can move it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.postgres import Server
from portal.demo.sample import SampleFailed, SampleSummary, build_sample
from portal.local_postgres import find
from tests.fixtures.servers import RunningServer, ServerPool

MAJORS = [10, 14, 17, 18]

KINDS = """
SELECT unnest(ARRAY[
    (SELECT 'partitioned ' || count(*) FROM pg_class WHERE relkind = 'p'),
    (SELECT 'view ' || count(*) FROM pg_views WHERE schemaname IN ('shop', 'analytics')),
    (SELECT 'matview ' || count(*) FROM pg_matviews),
    (SELECT 'policy ' || count(*) FROM pg_policy),
    (SELECT 'exclusion ' || count(*) FROM pg_constraint WHERE contype = 'x'),
    (SELECT 'unlogged ' || count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'),
    (SELECT 'enum ' || count(*) FROM pg_type WHERE typtype = 'e'),
    (SELECT 'not valid ' || count(*) FROM pg_constraint WHERE NOT convalidated),
    (SELECT 'rule ' || count(*) FROM pg_rules WHERE schemaname = 'shop'),
    (SELECT 'statistics ' || count(*) FROM pg_statistic_ext)])
"""
LARGEST_LARGE_OBJECT = "SELECT sum(length(data)) AS bytes FROM pg_largeobject GROUP BY loid ORDER BY 1 DESC LIMIT 1"
DIGEST = """
SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM (
    SELECT id, email, full_name, home, born, tags, preferences, invited_by, created_at FROM shop.customers) AS t
"""


class Built:
    def __init__(self, server: RunningServer, database: str, summary: SampleSummary) -> None:
        self.server, self.database, self.summary = server, database, summary

    def psql(self, script: str) -> str:
        return self.server.psql(f"SET timezone = 'UTC'; {script}", database=self.database)


@pytest.fixture(scope="module", params=MAJORS)
def built(request: pytest.FixtureRequest, servers: ServerPool) -> Iterator[Built]:
    server = servers.get(request.param, name="sample")
    with server.fresh_database() as database:
        yield Built(server, database, build_sample(server.cluster.conninfo(database=database), "small"))


@pytest.fixture(scope="module")
def reference_digest(servers: ServerPool) -> str:
    server = servers.get(16, name="sample")
    with server.fresh_database() as database:
        build_sample(server.cluster.conninfo(database=database), "small")
        return server.psql(f"SET timezone = 'UTC'; {DIGEST}", database=database)


def test_counts_what_it_built(built: Built) -> None:
    assert built.summary.rows > 20_000
    assert built.summary.tables >= 46
    assert built.summary.server_version.startswith(str(built.server.major))
    assert (
        built.psql(
            "SELECT max(n) > 1000000 FROM (SELECT sum(length(data)) AS n FROM pg_largeobject GROUP BY loid) AS l"
        )
        == "t"
    )


def test_has_one_of_everything(built: Built) -> None:
    kinds = dict(line.rsplit(" ", 1) for line in built.psql(KINDS).splitlines())
    assert {kind for kind, count in kinds.items() if int(count) == 0} == set()
    assert int(built.psql('SELECT count(*) FROM "Öd d".no_columns')) == 3


def test_the_same_seed_gives_the_same_rows_on_every_version(built: Built, reference_digest: str) -> None:
    assert built.psql(DIGEST) == reference_digest


def test_pg_dump_moves_it_without_an_error(built: Built, servers: ServerPool, tmp_path: Path) -> None:
    tools, target = find(18).bin_dir, servers.get(18, name="sample-target")
    source_address = built.server.cluster.conninfo(database=built.database)
    roles = run(tools / "pg_dumpall", "--roles-only", "-d", built.server.cluster.conninfo())
    subprocess.run(
        [tools / "psql", "-Xq", "-d", target.cluster.conninfo()],
        input=roles,
        text=True,
        check=True,
        capture_output=True,
    )
    run(tools / "pg_dump", "-Fc", "-f", str(tmp_path / "dump"), "-d", source_address)
    with target.fresh_database() as database:
        printed = run(tools / "pg_restore", "-d", target.cluster.conninfo(database=database), str(tmp_path / "dump"))
        assert printed == ""
        assert target.psql(f"SET timezone = 'UTC'; {DIGEST}", database=database) == built.psql(DIGEST)


def test_another_seed_gives_other_rows(servers: ServerPool) -> None:
    server = servers.get(18, name="sample")
    digests = []
    for seed in (42, 43):
        with server.fresh_database() as database:
            build_sample(server.cluster.conninfo(database=database), "small", seed)
            digests.append(server.psql(f"SET timezone = 'UTC'; {DIGEST}", database=database))
    assert digests[0] != digests[1]


def test_nothing_is_left_of_a_build_that_failed(servers: ServerPool) -> None:
    server = servers.get(17, name="sample")
    with server.fresh_database() as database:
        server.psql("CREATE SCHEMA analytics", database=database)
        with pytest.raises(SampleFailed, match='schema "analytics" already exists'):
            build_sample(server.cluster.conninfo(database=database), "small")
        assert server.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'shop'", database=database) == "0"


def test_an_open_connection_will_do_and_logins_get_their_password(servers: ServerPool) -> None:
    server = servers.get(17, tls=True, name="sample")
    with server.fresh_database() as database, server.connect(database) as connection:
        summary = build_sample(connection, "small", role_password="it's a \\ password")
        assert summary.database == database
        endpoint = server.endpoint(user="shop_app", password="it's a \\ password", database=database)
        with Server(endpoint).connected() as customer:
            assert customer.execute("SELECT count(*) > 0 FROM shop.customers").fetchone() == (True,)


@pytest.mark.parametrize("major", [10, 17])
def test_somebody_who_may_create_roles_is_enough(servers: ServerPool, major: int) -> None:
    with servers.fresh(major) as server:
        server.psql("CREATE ROLE builder LOGIN CREATEROLE PASSWORD 'pw'")
        server.create_database("shop", owner="builder")
        address = f"host=127.0.0.1 port={server.port} user=builder password=pw dbname=shop"
        assert build_sample(address, "small").rows > 20_000


def run(program: Path, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if program.name != "pg_dumpall" else "")
