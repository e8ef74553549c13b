"""Neon."""

from __future__ import annotations

from migrations_app.engine.providers.provider import EndpointKind, ParameterPlace, Provider, Tls

POOLER = r"-pooler\.[^:]*\.neon\.tech"

NEON = Provider(
    key="Neon",
    name="Neon",
    settings=("neon.tenant_id", "neon.timeline_id"),
    marker_roles=("cloud_admin", "neon_superuser"),
    host_pattern=r"\.neon\.tech$",
    role_pattern=r"^neon_(superuser|service)$",
    schemas=("neon", "neon_migration"),
    extensions=("neon", "neon_utils"),
    event_trigger_owners=("cloud_admin",),
    endpoints=(
        EndpointKind(
            key="pooler",
            name="pooled endpoint",
            pattern=POOLER,
            is_pooled=True,
            problem="The -pooler endpoint is PgBouncer. Use the same name without -pooler.",
        ),
        EndpointKind(key="compute", name="compute endpoint", pattern=r"\.neon\.tech:"),
    ),
    source_types=("Other", "OnPremises"),
    administrator="Roles made in the console are members of neon_superuser: they create databases and roles and have "
    "REPLICATION; they are no superusers.",
    limits=(
        "Password hashes cannot be read: roles arrive without passwords.",
        "A compute that falls asleep drops sessions: switch scale to zero off while the migration runs.",
        "Logical replication cannot be switched off again, and it keeps the compute awake.",
    ),
    parameters=ParameterPlace(
        where="in the Neon console (Settings, Logical replication, Enable)",
        restart="which restarts the computes",
        reload="",
        tool="",
        only=("wal_level",),
        remark="It cannot be switched off again.",
    ),
    tls=Tls(
        rule="TLS is demanded; the host name (SNI) chooses the project.",
        authority="ISRG Root X1, which machines trust already",
        advice="verify-full works with the authorities that machines trust: leave the field empty.",
    ),
    network="In the console look at IP allow: this machine's address must be in it where it is used.",
    login="Reset the role's password in the console: Roles.",
    online="needs logical replication switched on in the console; computes restart",
)
