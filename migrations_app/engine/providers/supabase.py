"""Supabase."""

from __future__ import annotations

from migrations_app.engine.providers.provider import EndpointKind, ParameterPlace, Provider, Tls

SUPABASE = Provider(
    key="Supabase_PostgreSQL",
    name="Supabase",
    settings=("supautils.reserved_roles", "supautils.privileged_extensions"),
    marker_roles=("supabase_admin", "supabase_auth_admin", "supabase_storage_admin"),
    host_pattern=r"\.supabase\.(co|com)$",
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
    event_triggers=(
        "issue_graphql_placeholder",
        "issue_pg_cron_access",
        "issue_pg_graphql_access",
        "issue_pg_net_access",
        "pgrst_ddl_watch",
        "pgrst_drop_watch",
    ),
    event_trigger_owners=("supabase_admin",),
    endpoints=(
        EndpointKind(
            key="pooler",
            name="Supavisor pooler",
            pattern=r"\.pooler\.supabase\.com|\.supabase\.(co|com):6543$",
            is_pooled=True,
            problem="This is the pooler Supavisor. Use the direct host db.REF.supabase.co, port 5432; it has an IPv6 "
            "address only, unless the project has the IPv4 add-on.",
        ),
        EndpointKind(key="direct", name="direct host", pattern=r"^db\.[^.]+\.supabase\.co:"),
    ),
    administrator="postgres is no superuser; it owns what it made, has REPLICATION and BYPASSRLS, and may not touch "
    "the schemas of the service (auth, storage, realtime and others), which are not copied.",
    limits=(
        "Users of the schema auth and files of storage are not part of a database migration.",
        "Password hashes cannot be read: roles arrive without passwords.",
        "Policies that call auth.uid() and the like need such functions on the target.",
    ),
    parameters=ParameterPlace(
        where="with the Supabase command line (postgres-config)",
        restart="which restarts the database",
        reload="",
        tool="supabase",
    ),
    tls=Tls(
        rule="TLS is offered; it is demanded where the project enforces SSL.",
        authority="the project's certificate (Database settings, SSL configuration)",
        advice="Upload the certificate from Database settings → SSL configuration.",
    ),
    network="The direct host has an IPv6 address only: use it from a machine with IPv6, or buy the IPv4 add-on. "
    "Network restrictions of the project must allow this machine's address.",
    login="Reset the database password in the project's Database settings.",
    online="ready, by the direct host and not the pooler",
)
