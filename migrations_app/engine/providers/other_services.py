"""Managed services that leave no traces we know: people choose them, and rights are found by looking."""

from __future__ import annotations

from migrations_app.engine.providers.provider import ParameterPlace, Provider, Tls

HASHES_ARE_HIDDEN = "Password hashes can mostly not be read: roles then arrive without passwords."
CONSOLE = ParameterPlace(
    where="among the instance's parameters (the service's console)",
    restart="then restart the instance",
    reload="then save",
    tool="",
)
FROM_CONSOLE = Tls(
    rule="The console decides; TLS may have to be switched on first.",
    authority="the instance's certificate authority (console, SSL)",
    verify_full=False,
    advice="Download the certificate authority in the console and upload it; use verify-ca.",
)
SECURITY_GROUP = "Open the port for this machine's address in the instance's {}."
RESET = "Reset the account's password in the service's console."

APSARA = Provider(
    key="ApsaraDB_RDS",
    name="Alibaba ApsaraDB RDS for PostgreSQL",
    host_pattern=r"\.pg\.rds\.aliyuncs\.com$",
    role_pattern=r"^(aurora|alicloud_rds_admin|replicator|pg_rds_superuser)$",
    administrator="A privileged account is a member of pg_rds_superuser: it creates databases and roles and has "
    "REPLICATION; it is no superuser.",
    limits=(HASHES_ARE_HIDDEN,),
    parameters=CONSOLE,
    tls=FROM_CONSOLE,
    network=SECURITY_GROUP.format("IP address whitelist"),
    login=RESET,
)
HUAWEI_RDS = Provider(
    key="Huawei_RDS",
    name="Huawei RDS for PostgreSQL",
    host_pattern=r"\.rds\.myhuaweicloud\.(com|eu)$",
    role_pattern=r"^(rdsAdmin|rdsBackup|rdsMetric|rdsRepl)$",
    administrator="root creates databases and roles; it is no superuser.",
    limits=(HASHES_ARE_HIDDEN,),
    parameters=CONSOLE,
    tls=FROM_CONSOLE,
    network=SECURITY_GROUP.format("security group"),
    login=RESET,
)
AMAZON_OTHER = Provider(
    key="AWS",
    name="Another PostgreSQL at Amazon",
    administrator="Depends on the service; the connection test shows what the user may do.",
    parameters=CONSOLE,
    tls=FROM_CONSOLE,
    network=SECURITY_GROUP.format("security group"),
    login=RESET,
)
GOOGLE_OTHER = Provider(
    key="GCP",
    name="Another PostgreSQL at Google",
    administrator="Depends on the service; the connection test shows what the user may do.",
    parameters=CONSOLE,
    tls=FROM_CONSOLE,
    network=SECURITY_GROUP.format("firewall rules or authorized networks"),
    login=RESET,
)
