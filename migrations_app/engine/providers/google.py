"""Google Cloud SQL for PostgreSQL and AlloyDB."""

from __future__ import annotations

from migrations_app.engine.providers.provider import EndpointKind, OwnParameter, ParameterPlace, Provider, Tls

GOOGLE_EXTENSIONS = ("google_columnar_engine", "google_db_advisor", "google_insights", "google_ml_integration")
FLAGS_REPLACE = "gcloud replaces the whole list of flags: name those that shall stay too."

GOOGLE_CLOUD_SQL = Provider(
    key="GCP_CloudSQL",
    name="Google Cloud SQL for PostgreSQL",
    settings=("cloudsql.logical_decoding", "cloudsql.iam_authentication", "cloudsql.enable_pgaudit"),
    marker_roles=("cloudsqladmin", "cloudsqlsuperuser", "cloudsqlagent"),
    databases=("cloudsqladmin",),
    host_pattern=r"\.sql\.goog$",
    role_pattern=r"^cloudsql",
    extensions=GOOGLE_EXTENSIONS,
    event_trigger_owners=("cloudsqladmin",),
    endpoints=(
        EndpointKind(
            key="connector",
            name="connection name",
            pattern=r"^[^.:/]+:[^.:/]+:[^.:/]+:\d+$",
            problem="project:region:instance is a name for Google's connectors, not a host. Use the instance's IP "
            "address.",
        ),
        EndpointKind(key="dns", name="DNS name", pattern=r"\.sql\.goog:"),
        EndpointKind(key="address", name="IP address", pattern=r"^[0-9.]+:\d+$|^[0-9a-f:]+:\d+$"),
    ),
    source_types=("GCP",),
    administrator="Users made in the console are members of cloudsqlsuperuser: they create databases and roles and may "
    "give themselves REPLICATION, but are no superusers: they see no password hashes and no other users' tables "
    "without a grant.",
    limits=(
        "Password hashes cannot be read: roles arrive without passwords.",
        "cloudsqlsuperuser does not read other users' tables: grant pg_read_all_data or membership in the owners.",
    ),
    parameters=ParameterPlace(
        where="among the instance's flags (Cloud SQL console, Edit, Flags)",
        restart="which restarts the instance at once",
        reload="which takes effect at once",
        tool="gcloud-sql",
        own=(OwnParameter("wal_level", "logical", "cloudsql.logical_decoding", "on"),),
        remark=FLAGS_REPLACE,
    ),
    administrator_role="cloudsqlsuperuser",
    tls=Tls(
        rule="The instance's SSL mode: unencrypted and encrypted, encrypted only, or trusted client certificates only. "
        "The portal has no client certificates: choose one of the first two.",
        authority="server-ca.pem of the instance",
        fetch="gcloud sql ssl server-ca-certs list --instance=INSTANCE --format='value(cert)' > server-ca.pem",
        verify_full=False,
        advice="Upload the instance's server-ca.pem (Connections → Security). Its certificate does not name the IP "
        "address: use verify-ca, or verify-full with the instance's DNS name.",
    ),
    network="In the Cloud SQL console, open Connections → Networking and add this machine's public address to the "
    "authorized networks, or use the private IP over a VPN. The instance's host is its IP address.",
    login="Set the password of the user in the Cloud SQL console under Users.",
    online="needs cloudsql.logical_decoding = on, which restarts the instance",
)
GOOGLE_ALLOYDB = Provider(
    key="GCP_AlloyDB",
    name="Google AlloyDB",
    settings=("alloydb.logical_decoding", "alloydb.iam_authentication", "alloydb.enable_pgaudit"),
    marker_roles=("alloydbadmin", "alloydbsuperuser", "alloydbreplica"),
    databases=("alloydbadmin", "alloydbmetadata"),
    host_pattern=r"\.alloydb\.goog$",
    role_pattern=r"^alloydb",
    extensions=(*GOOGLE_EXTENSIONS, "alloydb_ai_nl", "alloydb_scann"),
    event_trigger_owners=("alloydbadmin",),
    endpoints=(
        EndpointKind(key="dns", name="DNS name", pattern=r"\.alloydb\.goog:"),
        EndpointKind(key="address", name="IP address", pattern=r"^[0-9.]+:\d+$|^[0-9a-f:]+:\d+$"),
    ),
    source_types=("GCP",),
    administrator="Users made in the console are members of alloydbsuperuser: they create databases and roles and may "
    "give themselves REPLICATION, but are no superusers.",
    limits=("Password hashes cannot be read: roles arrive without passwords.", "A read pool cannot decode the log."),
    parameters=ParameterPlace(
        where="among the instance's flags (AlloyDB console, Edit primary, Flags)",
        restart="which restarts the instance at once",
        reload="which takes effect at once",
        tool="gcloud-alloydb",
        own=(OwnParameter("wal_level", "logical", "alloydb.logical_decoding", "on"),),
        remark=FLAGS_REPLACE,
    ),
    administrator_role="alloydbsuperuser",
    tls=Tls(
        rule="Encrypted only, unless the instance's SSL mode says otherwise.",
        authority="the cluster's certificate authority (AlloyDB console, Connectivity)",
        verify_full=False,
        advice="Its certificate does not name the IP address: use verify-ca with the cluster's authority, or require.",
    ),
    network="AlloyDB answers on a private address: let the portal reach the VPC by peering or a VPN, or give the "
    "instance a public IP and add this machine's address to its authorized external networks.",
    login="Set the password of the user in the AlloyDB console under Users.",
    online="needs alloydb.logical_decoding = on and a restart",
)
