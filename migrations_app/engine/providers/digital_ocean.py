"""DigitalOcean Managed PostgreSQL; a Droplet is a machine of one's own (``self_hosted.py``)."""

from __future__ import annotations

from migrations_app.engine.providers.provider import EndpointKind, ParameterPlace, Provider, Tls

OFFLINE_ONLY = "The service does not pass logical replication on to servers of others."

DIGITAL_OCEAN = Provider(
    key="Digital_Ocean_PostgreSQL",
    name="DigitalOcean Managed PostgreSQL",
    marker_roles=("doadmin", "_dodb"),
    databases=("_dodb",),
    host_pattern=r"\.db\.ondigitalocean\.com$",
    role_pattern=r"^(doadmin|_dodb)$",
    extensions=("aiven_extras",),
    event_trigger_owners=("postgres",),
    endpoints=(
        EndpointKind(
            key="pool",
            name="connection pool",
            pattern=r"\.ondigitalocean\.com:25061$",
            is_pooled=True,
            problem="Port 25061 is a connection pool. Use port 25060.",
        ),
        EndpointKind(
            key="replica",
            name="read-only node",
            pattern=r"^replica-.*\.ondigitalocean\.com:",
            reads_only=True,
            problem="A read-only node cancels long reads. Use the primary's host name.",
        ),
        EndpointKind(key="server", name="primary", pattern=r"\.db\.ondigitalocean\.com:"),
    ),
    administrator="doadmin creates databases and roles and owns what it made; it is no superuser.",
    limits=("Password hashes cannot be read: roles arrive without passwords.", OFFLINE_ONLY),
    parameters=ParameterPlace(
        where="with the DigitalOcean API (databases, cluster, config)",
        restart="which restarts the cluster where needed",
        reload="",
        tool="",
    ),
    tls=Tls(
        rule="TLS is demanded.",
        authority="ca-certificate.crt of the cluster (control panel, Connection details)",
        fetch="doctl databases get-ca DATABASE_ID --format Certificate --no-header | base64 -d > ca-certificate.crt",
        advice="Upload ca-certificate.crt of the cluster (Connection details → Download CA certificate).",
    ),
    network="In the control panel add this machine's address to the cluster's trusted sources. The port is 25060.",
    login="Reset the password in the control panel: Users & Databases.",
    can_online=False,
    why_offline_only=OFFLINE_ONLY,
    online="not possible: no logical replication to other servers",
)
