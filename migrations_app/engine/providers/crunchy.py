"""Crunchy Bridge."""

from __future__ import annotations

from migrations_app.engine.providers.provider import EndpointKind, ParameterPlace, Provider, Tls

CRUNCHY = Provider(
    key="Crunchy_PostgreSQL",
    name="Crunchy Bridge",
    marker_roles=("crunchy_superuser", "crunchy_replication"),
    host_pattern=r"\.postgresbridge\.com$",
    endpoints=(
        EndpointKind(
            key="pgbouncer",
            name="PgBouncer",
            pattern=r"\.postgresbridge\.com:5431$",
            is_pooled=True,
            problem="Port 5431 is the cluster's PgBouncer. Use port 5432.",
        ),
    ),
    role_pattern=r"^crunchy_",
    administrator="postgres is a real superuser: it may do everything in SQL, but has no access to the machine.",
    parameters=ParameterPlace(
        where="among the cluster's configuration parameters (dashboard, Settings)",
        restart="then restart the cluster",
        reload="",
        tool="cb",
    ),
    tls=Tls(
        rule="TLS is demanded.",
        authority="the team's certificate authority (dashboard, Team settings)",
        fetch="cb team-cert TEAM > team.pem",
        advice="Upload the team's certificate: cb team-cert TEAM.",
    ),
    network="In the dashboard open Networking and add this machine's address to the firewall rules.",
    login="Read the connection in the dashboard, or with cb uri CLUSTER --role postgres.",
    online="ready: logical replication is on",
)
