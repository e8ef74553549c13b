"""Why a connection fails, for the provider at hand: what to click where."""

from __future__ import annotations

import re

from migrations_app.engine.providers import PROVIDERS
from migrations_app.models import SourceType

NETWORK = ("timeout", "refused", "unreachable", "unknown_host", "not_allowed")
TLS = ("tls_required", "tls_refused", "ca_wrong", "ca_missing", "host_mismatch")

AWS_AUTHORITY = "Upload global-bundle.pem from truststore.pki.rds.amazonaws.com as the certificate authority."

# (provider key, family of causes) -> what to do there; providers.md §4 has the facts.
HINTS: dict[tuple[str, str], str] = {
    ("AWS_RDS", "network"): (
        "In the RDS console, open the instance's VPC security group and add an inbound rule for its port from this "
        "machine's address. From outside the VPC the instance also needs Publicly accessible: Yes, or a VPN."
    ),
    ("AWS_AURORA", "network"): (
        "In the RDS console, open the cluster's VPC security group and add an inbound rule for its port from this "
        "machine's address. Use the writer endpoint: its name holds .cluster-, not .cluster-ro-."
    ),
    ("GCP_CloudSQL", "network"): (
        "In the Cloud SQL console, open Connections → Networking and add this machine's public address to the "
        "authorized networks, or use the private IP over a VPN. The instance's host is its IP address."
    ),
    ("PostgreSQLFlexibleServer", "network"): (
        "In the Azure portal, open the server's Networking page and add a firewall rule for this machine's address; "
        "a server with private access needs peering or a VPN and its private DNS zone."
    ),
    ("AzureVM", "network"): (
        "Open the port in the VM's network security group and in its own firewall; in postgresql.conf set "
        "listen_addresses, in pg_hba.conf allow this machine's address, and reload."
    ),
    ("OnPremises", "network"): (
        "Check the firewall between this machine and the server; in postgresql.conf set listen_addresses, in "
        "pg_hba.conf allow this machine's address, and reload."
    ),
    ("AWS_RDS", "tls"): AWS_AUTHORITY,
    ("AWS_AURORA", "tls"): AWS_AUTHORITY,
    ("GCP_CloudSQL", "tls"): (
        "Upload the instance's server-ca.pem (Connections → Security). Its certificate does not name the IP address: "
        "use verify-ca, or verify-full with the instance's DNS name."
    ),
    ("PostgreSQLFlexibleServer", "tls"): (
        "The server demands TLS 1.2 or newer. Its authorities are DigiCert Global Root G2 and Microsoft RSA Root "
        "Certificate Authority 2017; most machines trust them already: leave the field empty."
    ),
    ("AWS_RDS", "login"): "The master user's password can be set anew in the RDS console: Modify → Master password.",
    ("AWS_AURORA", "login"): "The master user's password can be set anew in the RDS console: Modify → Master password.",
    ("GCP_CloudSQL", "login"): "Set the password of the user in the Cloud SQL console under Users.",
    ("PostgreSQLFlexibleServer", "login"): (
        "Set it anew in the Azure portal: Overview → Reset password. The user is written without @server."
    ),
}


def provider_hint(kind: str, *, host: str, source_type: str) -> str:
    """Return what to do at this provider about a cause, or an empty string."""
    family = "network" if kind in NETWORK else "tls" if kind in TLS else "login" if kind == "wrong_password" else ""
    return HINTS.get((provider_key(host, source_type=source_type), family), "")


def provider_key(host: str, *, source_type: str) -> str:
    """Return the provider whose domain ``host`` is in, else the source type (empty for a target)."""
    matching = (provider.key for provider in PROVIDERS if re.search(provider.host_pattern, host))
    return next(matching, source_type)


# What online would need, for the cards of the setup step.
ONLINE_NEEDS: dict[str, str] = {
    SourceType.AWS_RDS: "needs rds.logical_replication = 1 and a reboot",
    SourceType.AWS_AURORA: "needs rds.logical_replication = 1 in the cluster's parameters and a reboot of the writer",
    SourceType.GCP_CLOUD_SQL: "needs cloudsql.logical_decoding = on, which restarts the instance",
    SourceType.GCP_ALLOYDB: "needs alloydb.logical_decoding = on and a restart",
    SourceType.FLEXIBLE_SERVER: "needs wal_level = logical and a restart",
    SourceType.SINGLE_SERVER: "needs replication support = logical and a restart",
    SourceType.HEROKU: "not possible: no logical replication to other servers",
    SourceType.DIGITAL_OCEAN: "not possible: no logical replication to other servers",
    SourceType.CRUNCHY: "ready: logical replication is on",
    SourceType.SUPABASE: "ready, by the direct host and not the pooler",
}
ONLINE_NEEDS_ELSEWHERE = "needs wal_level = logical and a restart"
FIRST_TYPES = (
    SourceType.AWS_RDS,
    SourceType.AWS_AURORA,
    SourceType.GCP_CLOUD_SQL,
    SourceType.ON_PREMISES,
    SourceType.AZURE_VM,
)
