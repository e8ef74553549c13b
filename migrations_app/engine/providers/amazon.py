"""Amazon RDS for PostgreSQL (an instance, a Multi-AZ DB cluster) and Amazon Aurora PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.providers.provider import EndpointKind, OwnParameter, ParameterPlace, Provider, Tls

DOMAIN = r"\.rds\.amazonaws\.com(\.cn)?"
LOGICAL = (OwnParameter("wal_level", "logical", "rds.logical_replication", "1"),)
DEFAULT_GROUP = "A default group cannot be edited: create one of your own and attach it first."
AUTHORITY = Tls(
    rule="rds.force_ssl = 1 refuses sessions without TLS: the default from PostgreSQL 15 on, 0 before.",
    authority="global-bundle.pem, Amazon's certificate authorities of all regions",
    fetch="curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
    verify_full=True,
    advice="Upload global-bundle.pem from truststore.pki.rds.amazonaws.com as the certificate authority. With a host "
    "name of your own (a CNAME) use verify-ca: the certificate names Amazon's host name only.",
)
RDS_PROXY = EndpointKind(
    key="proxy",
    name="RDS Proxy",
    pattern=rf"\.proxy-[^.]+\.[^.]+{DOMAIN}",
    is_pooled=True,
    problem="RDS Proxy is a connection pooler and passes no replication on. Use the endpoint of the instance or "
    "cluster.",
)
READER = EndpointKind(
    key="reader",
    name="reader endpoint",
    pattern=rf"\.cluster-ro-[^.]+\.[^.]+{DOMAIN}",
    reads_only=True,
    is_balanced=True,
    problem="The reader endpoint sends each connection to a reader of its choice: the copy's sessions would not see "
    "one snapshot, and nothing can be published there. Use the writer endpoint: .cluster- without ro-.",
)
CUSTOM = EndpointKind(
    key="custom",
    name="custom endpoint",
    pattern=rf"\.cluster-custom-[^.]+\.[^.]+{DOMAIN}",
    is_balanced=True,
    problem="A custom endpoint sends each connection to one of several instances: the copy's sessions would not see "
    "one snapshot. Use the writer endpoint: .cluster- without custom-.",
)
WRITER = EndpointKind(key="writer", name="writer endpoint", pattern=rf"\.cluster-[^.]+\.[^.]+{DOMAIN}")
INSTANCE = EndpointKind(key="instance", name="instance endpoint", pattern=rf"^[^.]+\.[^.]+\.[^.]+{DOMAIN}")
NETWORK = (
    "In the RDS console, open the {0}'s VPC security group and add an inbound rule for its port from this machine's "
    "address."
)

AMAZON_RDS = Provider(
    key="AWS_RDS",
    name="Amazon RDS for PostgreSQL",
    settings=("rds.extensions", "rds.logical_replication", "rds.force_ssl", "rds.superuser_variables"),
    marker_roles=("rdsadmin", "rds_superuser", "rds_replication"),
    databases=("rdsadmin",),
    host_pattern=rf"{DOMAIN}$",
    role_pattern=r"^(rds|rds_.*|rdsadmin|rdsrepladmin|rdstopmgr|rdswriteforwarduser)$",
    extensions=(
        "apg_plan_mgmt",
        "aurora_stat_utils",
        "aws_commons",
        "aws_lambda",
        "aws_ml",
        "aws_s3",
        "flow_control",
        "log_fdw",
        "rds_tools",
    ),
    event_trigger_owners=("rdsadmin",),
    endpoints=(RDS_PROXY, INSTANCE),
    source_types=("AWS",),
    administrator="The master user is a member of rds_superuser: it creates databases and roles, grants "
    "rds_replication and reads all data, but is no superuser: it sees no password hashes and cannot change "
    "rdsadmin's objects.",
    limits=(
        "Password hashes cannot be read: roles arrive without passwords.",
        "There is no access to the server's files: untrusted languages and C functions of one's own do not exist.",
    ),
    parameters=ParameterPlace(
        where="in the DB parameter group of the instance (RDS console, Parameter groups)",
        restart="then reboot the instance",
        reload="it takes effect within minutes",
        tool="aws-instance",
        own=LOGICAL,
        remark=DEFAULT_GROUP,
    ),
    replication_grant="GRANT rds_replication TO {};",
    replication_roles=("rds_replication", "rds_superuser"),
    administrator_role="rds_superuser",
    tls=AUTHORITY,
    network=NETWORK.format("instance")
    + " From outside the VPC the instance also needs Publicly accessible: Yes, or a VPN.",
    login="The master user's password can be set anew in the RDS console: Modify → Master password.",
    online="needs rds.logical_replication = 1 and a reboot",
)
AMAZON_RDS_CLUSTER = replace(
    AMAZON_RDS,
    key="AWS_RDS_CLUSTER",
    name="Amazon RDS Multi-AZ DB cluster",
    told_by_host=True,
    host_pattern=rf"\.cluster-(ro-)?[^.]+\.[^.]+{DOMAIN}$",
    endpoints=(RDS_PROXY, READER, WRITER, INSTANCE),
    source_types=("AWS_RDS", "AWS"),
    parameters=replace(
        AMAZON_RDS.parameters,
        where="in the DB cluster parameter group (RDS console, Parameter groups)",
        restart="then reboot the cluster",
        tool="aws-cluster",
    ),
    network=NETWORK.format("cluster"),
    limits=(*AMAZON_RDS.limits, "Logical replication needs 14.8-R2, 15.3-R2 or newer."),
    online="needs rds.logical_replication = 1 in the cluster's parameters and a reboot",
)
AMAZON_AURORA = replace(
    AMAZON_RDS,
    key="AWS_AURORA",
    name="Amazon Aurora PostgreSQL",
    has_aurora_version=True,
    host_pattern=rf"\.cluster-(ro-|custom-)?[^.]+\.[^.]+{DOMAIN}$",
    endpoints=(RDS_PROXY, READER, CUSTOM, WRITER, INSTANCE),
    source_types=("AWS",),
    parameters=replace(
        AMAZON_RDS.parameters,
        where="in the DB cluster parameter group, not in that of an instance (RDS console, Parameter groups)",
        restart="then reboot the writer",
        tool="aws-aurora",
    ),
    tls=replace(
        AUTHORITY, rule="rds.force_ssl decides, in the DB cluster parameter group; 0 by default on most versions."
    ),
    network=NETWORK.format("cluster") + " Use the writer endpoint: its name holds .cluster-, not .cluster-ro-.",
    limits=(*AMAZON_RDS.limits, "Readers cannot decode the log: online needs the writer endpoint."),
    online="needs rds.logical_replication = 1 in the cluster's parameters and a reboot of the writer",
)
