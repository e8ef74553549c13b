"""What is known of each provider: host names, its own things, and remedies that do what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.providers import PROVIDERS, Provider, how_to_allow_replication, how_to_set, provider_by_key
from migrations_app.engine.providers.comparison import differs, effective
from migrations_app.engine.providers.fingerprint import Traces, judge
from migrations_app.engine.providers.prerequisites import prerequisites_of
from migrations_app.engine.providers.reference import reference
from migrations_app.engine.spec import Side
from migrations_app.models import SourceType
from tests.architecture.source_code import CHECKOUT
from tests.fixtures.servers import ServerPool

NOTHING = Traces("PostgreSQL 17.5 on x86_64", False, [], [], [], None)
RDS_TRACES = replace(NOTHING, settings=["rds.extensions"], roles=["rdsadmin", "rds_superuser"], databases=["rdsadmin"])
CLUSTER_HOST = "shop.cluster-abc123.eu-west-1.rds.amazonaws.com"


@pytest.mark.parametrize("source_type", SourceType.values)
def test_every_source_type_has_a_provider_of_its_own(source_type: str) -> None:
    assert provider_by_key(source_type).key == source_type


def test_keys_are_given_once() -> None:
    keys = [provider.key for provider in PROVIDERS]
    assert sorted(keys) == sorted(set(keys))
    chosen = {provider.chosen_as or provider.key for provider in PROVIDERS}
    assert chosen == set(SourceType.values)


def test_the_reference_is_up_to_date() -> None:
    page = Path(CHECKOUT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m migrations_app.engine.providers.reference > docs/providers.md"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.key)
def test_every_provider_says_what_it_needs(provider: Provider) -> None:
    found = provider
    assert found.administrator
    assert found.network
    assert found.login
    assert found.can_online or found.why_offline_only
    assert found.can_online or not [p for p in prerequisites_of(found, side=Side.SOURCE, online=True) if p.online_only]
    assert not [p.key for p in prerequisites_of(found, side=Side.SOURCE, online=False) if p.online_only]


@pytest.mark.parametrize(
    ("key", "host", "port", "kind"),
    [
        ("AWS_AURORA", CLUSTER_HOST, 5432, "writer"),
        ("AWS_AURORA", "shop.cluster-ro-abc123.eu-west-1.rds.amazonaws.com", 5432, "reader"),
        ("AWS_AURORA", "etl.cluster-custom-abc123.eu-west-1.rds.amazonaws.com", 5432, "custom"),
        ("AWS_AURORA", "p.proxy-abc123.eu-west-1.rds.amazonaws.com", 5432, "proxy"),
        ("AWS_AURORA", "shop-1.abc123.eu-west-1.rds.amazonaws.com", 5432, "instance"),
        ("AWS_RDS", "shop.abc123.cn-north-1.rds.amazonaws.com.cn", 5432, "instance"),
        ("AWS_RDS_CLUSTER", "shop.cluster-ro-abc123.eu-west-1.rds.amazonaws.com", 5432, "reader"),
        ("PostgreSQLFlexibleServer", "shop.postgres.database.azure.com", 6432, "pgbouncer"),
        ("PostgreSQLFlexibleServer", "shop.reader.postgres.database.azure.com", 5432, "reader"),
        ("PostgreSQLFlexibleServer", "shop.postgres.database.azure.com", 5432, "server"),
        ("GCP_CloudSQL", "10.1.2.3", 5432, "address"),
        ("GCP_CloudSQL", "project:region:instance", 5432, "connector"),
        ("Supabase_PostgreSQL", "db.abc.supabase.co", 6543, "pooler"),
        ("Supabase_PostgreSQL", "db.abc.supabase.co", 5432, "direct"),
        ("Neon", "ep-cool-1-pooler.eu.neon.tech", 5432, "pooler"),
        ("Digital_Ocean_PostgreSQL", "shop-do-user-1.b.db.ondigitalocean.com", 25061, "pool"),
    ],
)
def test_kinds_of_host_names(key: str, host: str, port: int, kind: str) -> None:
    found = provider_by_key(key).endpoint_kind(host, port)
    assert found
    assert found.key == kind
    assert bool(found.problem) is (kind not in ("writer", "instance", "server", "address", "direct"))


def test_a_multi_az_cluster_is_not_aurora() -> None:
    assert judge(RDS_TRACES, host=CLUSTER_HOST).provider.key == "AWS_RDS_CLUSTER"
    assert judge(replace(RDS_TRACES, has_aurora_version=True), host=CLUSTER_HOST).provider.key == "AWS_AURORA"
    assert judge(replace(RDS_TRACES, has_aurora_version=True), host="10.0.0.1").provider.key == "AWS_AURORA"
    assert judge(RDS_TRACES, host="10.0.0.1").provider.key == "AWS_RDS"
    assert judge(NOTHING, host=CLUSTER_HOST).provider.key == "AWS_AURORA"


def test_a_role_of_postgrest_does_not_make_a_server_supabase() -> None:
    assert judge(replace(NOTHING, roles=["authenticator", "anon"]), host="10.0.0.1").provider.key == "OnPremises"


def test_event_triggers_and_grantees_of_providers() -> None:
    supabase, alloydb = provider_by_key("Supabase_PostgreSQL"), provider_by_key("GCP_AlloyDB")
    assert supabase.owns_event_trigger("pgrst_ddl_watch", owner="postgres")
    assert not supabase.owns_event_trigger("my_audit", owner="postgres")
    assert alloydb.owns_event_trigger("anything", owner="alloydbadmin")
    assert provider_by_key("PostgreSQLFlexibleServer").owns_grantee("azure_pg_admin")
    assert not provider_by_key("PostgreSQLFlexibleServer").owns_grantee("pg_monitor")


@pytest.mark.parametrize(
    ("key", "words", "command"),
    [
        ("AWS_RDS", "rds.logical_replication = 1 in the DB parameter group", "ParameterName=rds.logical_replication"),
        ("AWS_RDS_CLUSTER", "in the DB cluster parameter group", "aws rds reboot-db-cluster"),
        ("AWS_AURORA", "then reboot the writer", "modify-db-cluster-parameter-group"),
        ("GCP_CloudSQL", "cloudsql.logical_decoding = on", "--database-flags=cloudsql.logical_decoding=on"),
        ("GCP_AlloyDB", "alloydb.logical_decoding = on", "gcloud alloydb instances update"),
        ("PostgreSQLFlexibleServer", "wal_level = logical among the server parameters", "--name wal_level"),
        ("PostgreSQLSingleServer", "azure.replication_support = LOGICAL", "az postgres server configuration set"),
        ("Crunchy_PostgreSQL", "wal_level = logical", "cb config-param set"),
        ("Aiven", "wal_level = logical", "avn service update"),
        ("Neon", "Enable", ""),
        ("Heroku_PostgreSQL", "does not let its users set wal_level", ""),
    ],
)
def test_where_logical_decoding_is_switched_on(key: str, words: str, command: str) -> None:
    remedy = how_to_set(provider_by_key(key), {"wal_level": "logical"}, restart=True)
    assert words in remedy.text
    assert command in remedy.script
    assert remedy.language == "shell" or not remedy.script


def test_the_servers_name_is_taken_from_its_host() -> None:
    rds = how_to_set(
        provider_by_key("AWS_RDS"),
        {"max_wal_senders": "20"},
        restart=True,
        host="shop.abc1.eu-west-1.rds.amazonaws.com",
    )
    assert rds.script.startswith("INSTANCE=shop\n")
    azure = how_to_set(
        provider_by_key("PostgreSQLFlexibleServer"),
        {"work_mem": "8192"},
        restart=False,
        host="shop.postgres.database.azure.com",
    )
    assert azure.script.startswith("SERVER=shop\n")
    assert "restart" not in azure.script


def test_values_with_commas_stay_one_value() -> None:
    settings = {"shared_preload_libraries": "pg_cron,pgaudit"}
    assert "ParameterValue='pg_cron,pgaudit'," in how_to_set(provider_by_key("AWS_RDS"), settings, restart=True).script
    cloud_sql = how_to_set(provider_by_key("GCP_CloudSQL"), settings, restart=True).script
    assert "--database-flags='^~^shared_preload_libraries=pg_cron,pgaudit'" in cloud_sql


def test_neon_sets_nothing_but_logical_decoding() -> None:
    remedy = how_to_set(provider_by_key("Neon"), {"max_wal_senders": "20"}, restart=True)
    assert (remedy.text, remedy.script) == ("Neon does not let its users set max_wal_senders.", "")


def test_the_scripts_for_self_hosted_servers_do_what_they_say(servers: ServerPool) -> None:
    settings = {
        "max_replication_slots": "33",
        "session_preload_libraries": "auto_explain,plpgsql",
        "cron.database_name": "it's",
        "log_min_duration_statement": "2s",
    }
    remedy = how_to_set(provider_by_key("AzureVM"), settings, restart=False)
    with servers.fresh(18) as server:
        server.psql(remedy.script)
        written = server.psql(
            "SELECT name || '=' || setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' ORDER BY 1"
        )
    assert written.splitlines() == [
        "cron.database_name=it's",
        "log_min_duration_statement=2s",
        "max_replication_slots=33",
        "session_preload_libraries=auto_explain, plpgsql",
    ]


def test_letting_a_user_replicate(servers: ServerPool) -> None:
    assert "GRANT rds_replication TO" in how_to_allow_replication(provider_by_key("AWS_AURORA"), "mig").script
    assert how_to_allow_replication(provider_by_key("Heroku_PostgreSQL"), "mig").script == ""
    remedy = how_to_allow_replication(provider_by_key("OnPremises"), 'we"ird')
    assert "pg_hba.conf" in remedy.text
    with servers.fresh(18) as server:
        server.psql('CREATE ROLE "we""ird"')
        server.psql(remedy.script)
        assert server.psql("SELECT rolreplication FROM pg_roles WHERE rolname = 'we\"ird'").strip() == "t"


@pytest.mark.parametrize(
    ("chosen", "detected", "other"),
    [
        ("OnPremises", "OnPremises", False),
        ("AzureVM", "OnPremises", False),
        ("Heroku_PostgreSQL", "OnPremises", False),
        ("AWS_RDS", "AWS_RDS_CLUSTER", False),
        ("AWS", "AWS_AURORA", False),
        ("EDB", "EDB_Oracle_Server", False),
        ("Other", "Neon", False),
        ("AWS_RDS", "AWS_AURORA", True),
        ("AWS_RDS", "OnPremises", True),
        ("OnPremises", "GCP_CloudSQL", True),
        ("AzureVM", "PostgreSQLFlexibleServer", True),
    ],
)
def test_what_was_chosen_and_what_answers(chosen: str, detected: str, other: bool) -> None:
    assert differs(provider_by_key(chosen), provider_by_key(detected)) is other


def test_a_chosen_provider_without_traces_stays_chosen() -> None:
    heroku, self_hosted, rds = (provider_by_key(key) for key in ("Heroku_PostgreSQL", "OnPremises", "AWS_RDS"))
    assert effective(heroku, self_hosted) is heroku
    assert effective(heroku, None) is heroku
    assert effective(self_hosted, rds) is rds
