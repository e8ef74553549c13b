"""Further providers, known by a few traces each."""

from __future__ import annotations

from migrations_app.engine.providers.provider import Provider

NEON = Provider(
    key="Neon",
    name="Neon",
    settings=("neon.tenant_id", "neon.timeline_id"),
    marker_roles=("cloud_admin", "neon_superuser"),
    host_pattern=r"\.neon\.tech$",
    pooler_pattern=r"-pooler\.[^:]*\.neon\.tech",
    role_pattern=r"^neon_(superuser|service)$",
    schemas=("neon", "neon_migration"),
    extensions=("neon", "neon_utils"),
)
SUPABASE = Provider(
    key="Supabase_PostgreSQL",
    name="Supabase",
    settings=("supautils.reserved_roles", "supautils.privileged_extensions"),
    marker_roles=("supabase_admin", "authenticator", "supabase_auth_admin"),
    host_pattern=r"\.supabase\.(co|com)$",
    pooler_pattern=r"\.pooler\.supabase\.com",
    role_pattern=r"^(supabase_.*|authenticator|anon|authenticated|service_role|dashboard_user|pgbouncer|pgsodium_.*)$",
    schemas=(
        "auth",
        "extensions",
        "graphql",
        "graphql_public",
        "net",
        "pgbouncer",
        "pgsodium",
        "realtime",
        "storage",
        "supabase_functions",
        "supabase_migrations",
        "vault",
    ),
    extensions=("pg_graphql", "pg_net", "pgsodium", "supabase_vault", "supautils", "wrappers"),
)
AIVEN = Provider(
    key="Aiven",
    name="Aiven for PostgreSQL",
    marker_roles=("avnadmin",),
    databases=("_aiven",),
    host_pattern=r"\.aivencloud\.com$",
    role_pattern=r"^(avnadmin|_aiven)$",
    extensions=("aiven_extras", "aiven_gatekeeper"),
)
DIGITAL_OCEAN = Provider(
    key="Digital_Ocean_PostgreSQL",
    name="DigitalOcean Managed PostgreSQL",
    marker_roles=("doadmin", "_dodb"),
    databases=("_dodb",),
    host_pattern=r"\.db\.ondigitalocean\.com$",
    pooler_pattern=r"\.ondigitalocean\.com:25061$",
    role_pattern=r"^(doadmin|_dodb)$",
    extensions=("aiven_extras",),
)
CRUNCHY = Provider(
    key="Crunchy_PostgreSQL",
    name="Crunchy Bridge",
    marker_roles=("crunchy_superuser", "crunchy_replication"),
    host_pattern=r"\.postgresbridge\.com$",
    role_pattern=r"^crunchy_",
)
EDB = Provider(
    key="EDB_PostgreSQL",
    name="EDB Postgres Advanced Server",
    settings=("edb_redwood_date", "edb_redwood_strings"),
    marker_roles=("aq_administrator_role",),
    version_word="EnterpriseDB",
    host_pattern=r"\.biganimal\.io$",
    role_pattern=r"^(aq_administrator_role|enterprisedb)$",
    schemas=("sys", "dbo"),
)
SELF_HOSTED = Provider(key="OnPremises", name="Self-hosted PostgreSQL")
