"""Azure Database for PostgreSQL: flexible server, and the retired single server."""

from __future__ import annotations

from migrations_app.engine.providers.provider import Provider

AZURE_EXTENSIONS = ("azure", "pg_availability", "pgaadauth")

AZURE_FLEXIBLE = Provider(
    key="PostgreSQLFlexibleServer",
    name="Azure Database for PostgreSQL flexible server",
    settings=("azure.extensions", "azure.accepted_password_auth_method"),
    marker_roles=("azuresu", "azure_pg_admin"),
    databases=("azure_maintenance", "azure_sys"),
    host_pattern=r"\.postgres\.database\.(azure\.com|usgovcloudapi\.net|chinacloudapi\.cn)$",
    pooler_pattern=r"\.postgres\.database\.[a-z.]+:6432$",
    role_pattern=r"^(azuresu|azure_pg_admin|azure_superuser|replication)$",
    extensions=AZURE_EXTENSIONS,
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
)
