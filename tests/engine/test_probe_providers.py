"""Recognize providers from their traces, on servers that play them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import probe_server
from migrations_app.engine.probe_pooler import leads_to_pooler
from migrations_app.engine.providers import PROVIDERS, provider_by_key
from migrations_app.engine.providers.fingerprint import Traces, judge
from migrations_app.engine.spec import Endpoint, Side
from tests.fixtures.pooler import pooled
from tests.fixtures.servers import ServerPool

NOTHING = Traces("PostgreSQL 17.5 on x86_64", False, [], [], [], None)


@pytest.mark.parametrize(
    ("key", "settings", "script"),
    [
        ("AWS_RDS", {"rds.extensions": "hstore"}, "CREATE ROLE rdsadmin; CREATE ROLE rds_superuser"),
        (
            "AWS_AURORA",
            {"rds.extensions": "hstore"},
            "CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; "
            "CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''17.1''::text'",
        ),
        ("GCP_CloudSQL", {"cloudsql.logical_decoding": "on"}, "CREATE ROLE cloudsqlsuperuser"),
        ("GCP_AlloyDB", {"alloydb.logical_decoding": "on"}, "CREATE ROLE alloydbsuperuser"),
        ("PostgreSQLFlexibleServer", {"azure.extensions": "hstore"}, "CREATE ROLE azure_pg_admin"),
        ("Supabase_PostgreSQL", {}, "CREATE ROLE supabase_admin; CREATE ROLE supabase_auth_admin"),
        ("OnPremises", {}, "CREATE ROLE azure_pg_admin"),
        ("OnPremises", {"rds.extensions": "hstore"}, "SELECT 1"),
    ],
)
def test_a_server_that_plays_a_provider(servers: ServerPool, key: str, settings: dict[str, str], script: str) -> None:
    with servers.fresh(17, **settings) as server:
        server.psql(script)
        facts = probe_server(Server(server.endpoint()))
    assert facts.provider == key
    assert bool(facts.provider_evidence) is (key != "OnPremises")


def test_a_setting_alone_proves_nothing() -> None:
    recognized = judge(replace(NOTHING, settings=["rds.extensions", "rds.force_ssl"]), host="10.0.0.1")
    assert recognized.provider.key == "OnPremises"


def test_a_host_name_of_the_provider_is_believed() -> None:
    host = "shop.abc123.eu-west-1.rds.amazonaws.com"
    assert judge(NOTHING, host=host).provider.key == "AWS_RDS"
    assert judge(NOTHING, host="shop.cluster-abc123.eu-west-1.rds.amazonaws.com").provider.key == "AWS_AURORA"
    assert judge(NOTHING, host="shop.postgres.database.azure.com").provider.key == "PostgreSQLFlexibleServer"


def test_azures_allow_list_is_read() -> None:
    traces = replace(
        NOTHING, roles=["azure_pg_admin"], settings=["azure.extensions"], allowed_extensions="HSTORE, pg_trgm"
    )
    assert judge(traces, host="x").allowed_extensions == ("hstore", "pg_trgm")


def test_every_provider_keeps_postgresqls_own_roles_to_itself() -> None:
    assert all(provider.owns_role("pg_monitor") for provider in PROVIDERS)
    assert not any(provider.owns_role("app_owner") for provider in PROVIDERS)
    assert provider_by_key("AWS_RDS").owns_role("rds_superuser")
    assert provider_by_key("something new").key == "OnPremises"


@pytest.mark.parametrize(
    ("host", "port", "pooled"),
    [
        ("ep-cool-1-pooler.eu.neon.tech", 5432, True),
        ("ep-cool-1.eu.neon.tech", 5432, False),
        ("shop.postgres.database.azure.com", 6432, True),
        ("shop.postgres.database.azure.com", 5432, False),
        ("aws-0-eu.pooler.supabase.com", 6543, True),
        ("db.ondigitalocean.com", 25061, True),
    ],
)
def test_host_names_of_poolers(host: str, port: int, pooled: bool) -> None:
    assert leads_to_pooler(Endpoint(Side.SOURCE, host, port, "u", "p")) is pooled


def test_a_pooler_is_found_by_the_process_number_it_invents(servers: ServerPool) -> None:
    server = servers.get(17, name="probed")
    with pooled(server) as pooler:
        assert probe_server(Server(pooler.endpoint())).pooler == "session"
    assert probe_server(Server(server.endpoint())).pooler == ""
