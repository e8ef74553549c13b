"""Azure Database for PostgreSQL: flexible server, the retired single server, and Cosmos DB for PostgreSQL (Citus)."""

from __future__ import annotations

from migrations_app.engine.providers.provider import (
    EndpointKind,
    OwnParameter,
    ParameterPlace,
    Prerequisite,
    Provider,
    Tls,
)

AZURE_EXTENSIONS = ("azure", "pg_availability", "pgaadauth")
DOMAIN = r"\.postgres\.database\.(azure\.com|usgovcloudapi\.net|chinacloudapi\.cn)"
HASHES_ARE_HIDDEN = "Password hashes cannot be read: roles arrive without passwords."
AUTHORITY = Tls(
    rule="require_secure_transport is on: TLS 1.2 or newer only.",
    authority="DigiCert Global Root G2 and Microsoft RSA Root Certificate Authority 2017, in one file",
    fetch="curl https://cacerts.digicert.com/DigiCertGlobalRootG2.crt.pem > azure-roots.pem\n"
    "curl 'https://www.microsoft.com/pkiops/certs/Microsoft%20RSA%20Root%20Certificate%20Authority%202017.crt' "
    "| openssl x509 -inform der >> azure-roots.pem",
    verify_full=True,
    advice="The server demands TLS 1.2 or newer. Its authorities are DigiCert Global Root G2 and Microsoft RSA Root "
    "Certificate Authority 2017; most machines trust them already: leave the field empty.",
)
FIREWALL = (
    "In the Azure portal, open the server's Networking page and add a firewall rule for this machine's address; a "
    "server with private access needs peering or a VPN and its private DNS zone."
)
LOGIN = "Set it anew in the Azure portal: Overview → Reset password. The user is written without @server."

PARAMETER = "az postgres flexible-server parameter set --resource-group GROUP --server-name SERVER --name {} --value {}"
TARGET = (
    Prerequisite(
        "extensions",
        "Extensions of the source are allow-listed",
        "Name every extension of the source in azure.extensions: the value replaces the list, so keep what is in it. "
        "Some must be in shared_preload_libraries too (pg_cron, pg_partman_bgw, pg_stat_statements, pgaudit, "
        "timescaledb and others), which needs a restart. Validation compares both lists with the source.",
        PARAMETER.format("azure.extensions", "HSTORE,PG_TRGM,UUID-OSSP"),
        "shell",
    ),
    Prerequisite(
        "availability",
        "High availability and read replicas are off",
        "Until the migration is done, a standby doubles every write; switch both on again afterwards.",
        "az postgres flexible-server update --resource-group GROUP --name SERVER --high-availability Disabled",
        "shell",
    ),
    Prerequisite(
        "temporary",
        "Temporary tablespaces stay off the local disk",
        "Microsoft asks for azure.enable_temp_tablespaces_on_local_ssd = off while changes are followed.",
        PARAMETER.format("azure.enable_temp_tablespaces_on_local_ssd", "off"),
        "shell",
        online_only=True,
        needs_restart=True,
    ),
    Prerequisite(
        "workers",
        "Room for workers that apply changes",
        "Needed only where the target itself subscribes to the source: at least 16 workers.",
        PARAMETER.format("max_worker_processes", "16"),
        "shell",
        online_only=True,
        needs_restart=True,
    ),
)

AZURE_FLEXIBLE = Provider(
    key="PostgreSQLFlexibleServer",
    name="Azure Database for PostgreSQL flexible server",
    settings=("azure.extensions", "azure.accepted_password_auth_method"),
    marker_roles=("azuresu", "azure_pg_admin"),
    databases=("azure_maintenance", "azure_sys"),
    host_pattern=rf"{DOMAIN}$",
    role_pattern=r"^(azuresu|azure_pg_admin|azure_superuser|replication)$",
    extensions=AZURE_EXTENSIONS,
    event_trigger_owners=("azuresu",),
    endpoints=(
        EndpointKind(
            key="pgbouncer",
            name="built-in PgBouncer",
            pattern=rf"{DOMAIN}:6432$",
            is_pooled=True,
            problem="Port 6432 is the server's built-in PgBouncer. Use port 5432.",
        ),
        EndpointKind(
            key="reader",
            name="virtual reader endpoint",
            pattern=rf"\.reader{DOMAIN}:",
            reads_only=True,
            problem="The virtual reader endpoint leads to a read replica. Use the server's own name or its writer "
            "endpoint.",
        ),
        EndpointKind(key="writer", name="virtual writer endpoint", pattern=rf"\.writer{DOMAIN}:"),
        EndpointKind(key="server", name="server name", pattern=rf"{DOMAIN}:"),
    ),
    bypass_rls="From PostgreSQL 16 on the administrator may instead make a role with BYPASSRLS to log in as.",
    administrator="The server administrator is a member of azure_pg_admin: it creates databases, roles and allow-"
    "listed extensions, and may give itself REPLICATION, but is no superuser: it sees no password hashes and no "
    "catalogs of the service.",
    limits=(
        HASHES_ARE_HIDDEN,
        "Only extensions that azure.extensions names can be created; some must be preloaded too.",
        "Untrusted languages, C functions, base types, tablespaces and grants on system catalogs are refused.",
        "At 95 % of the storage, or with less than 5 GiB free, the server turns read-only.",
    ),
    parameters=ParameterPlace(
        where="among the server parameters (Azure portal, Server parameters)",
        restart="then save and restart the server",
        reload="then save",
        tool="az",
    ),
    administrator_role="azure_pg_admin",
    tls=AUTHORITY,
    network=FIREWALL,
    login=LOGIN,
    online="needs wal_level = logical and a restart",
    target_prerequisites=TARGET,
)
AZURE_SINGLE = Provider(
    key="PostgreSQLSingleServer",
    name="Azure Database for PostgreSQL single server",
    settings=("azure.replication_support",),
    marker_roles=("azure_superuser",),
    databases=("azure_maintenance", "azure_sys"),
    version_word="Visual C++",
    role_pattern=r"^(azure_superuser|azure_pg_admin)$",
    extensions=AZURE_EXTENSIONS,
    event_trigger_owners=("azure_superuser",),
    administrator="The server administrator is a member of azure_pg_admin and has REPLICATION already; it is no "
    "superuser.",
    limits=(HASHES_ARE_HIDDEN, "The service is retired: PostgreSQL 11 is its newest version."),
    parameters=ParameterPlace(
        where="on the server's Replication and Server parameters pages (Azure portal)",
        restart="then restart the server",
        reload="then save",
        tool="az-single",
        own=(OwnParameter("wal_level", "logical", "azure.replication_support", "LOGICAL"),),
    ),
    administrator_role="azure_pg_admin",
    tls=AUTHORITY,
    network=FIREWALL,
    login="Set it anew in the Azure portal: Overview → Reset password. The user is written user@server.",
    online="needs replication support = logical and a restart",
)
AZURE_COSMOS = Provider(
    key="PostgreSQLCosmosDB",
    name="Azure Cosmos DB for PostgreSQL",
    host_pattern=r"\.postgres\.cosmos\.azure\.com$",
    endpoints=(
        EndpointKind(
            key="pgbouncer",
            name="managed PgBouncer",
            pattern=r"\.postgres\.cosmos\.azure\.com:6432$",
            is_pooled=True,
            problem="Port 6432 is the cluster's PgBouncer. Use port 5432.",
        ),
    ),
    role_pattern=r"^(citus|azuresu)$",
    extensions=("citus", "citus_columnar"),
    administrator="The user citus creates roles and tables; it is no superuser, and a cluster has one database, citus.",
    limits=(
        HASHES_ARE_HIDDEN,
        "Distributed tables hold their rows on worker nodes: a target without Citus receives plain tables, and "
        "changes of distributed tables cannot be followed.",
    ),
    parameters=ParameterPlace(
        where="on the page Coordinator node parameters (Azure portal)",
        restart="then restart the cluster",
        reload="then save",
        tool="",
    ),
    tls=AUTHORITY,
    network="In the Azure portal, open the cluster's Networking page and add a firewall rule for this machine's "
    "address.",
    login="Set it anew in the Azure portal: Settings → Authentication.",
    can_online=False,
    why_offline_only="The rows of distributed tables are on worker nodes and do not pass through one log.",
    online="not possible: distributed tables are not in one log",
)
