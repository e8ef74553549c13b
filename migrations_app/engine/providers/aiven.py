"""Aiven for PostgreSQL."""

from __future__ import annotations

from migrations_app.engine.providers.provider import ParameterPlace, Provider, Tls

AIVEN = Provider(
    key="Aiven",
    name="Aiven for PostgreSQL",
    marker_roles=("avnadmin",),
    databases=("_aiven",),
    host_pattern=r"\.aivencloud\.com$",
    role_pattern=r"^(avnadmin|_aiven)$",
    extensions=("aiven_extras", "aiven_gatekeeper"),
    event_trigger_owners=("postgres",),
    source_types=("Other", "OnPremises"),
    administrator="avnadmin creates databases and roles and has REPLICATION; it is no superuser: publications of all "
    "tables need the extension aiven_extras, publications of named tables do not.",
    limits=("Password hashes cannot be read: roles arrive without passwords.",),
    parameters=ParameterPlace(
        where="among the service's advanced configuration (Aiven console, Service settings)",
        restart="which restarts the service where needed",
        reload="",
        tool="avn",
    ),
    tls=Tls(
        rule="TLS is demanded.",
        authority="ca.pem of the project (console, Connection information)",
        fetch="avn project ca-get --target-filepath ca.pem",
        advice="Upload the project's ca.pem (Connection information → CA certificate).",
    ),
    network="In the console add this machine's address to the service's allowed IP addresses.",
    login="Reset the password of avnadmin in the console: Users.",
    online="ready: logical replication is on",
    is_logical_already=True,
)
