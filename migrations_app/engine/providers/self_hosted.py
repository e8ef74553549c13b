"""PostgreSQL that people run themselves: on premises and on machines of Azure, Amazon, Google and others."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.providers.provider import Provider

ON_THE_MACHINE = "in postgresql.conf set listen_addresses, in pg_hba.conf allow this machine's address, and reload"

SELF_HOSTED = Provider(
    key="OnPremises",
    name="Self-hosted PostgreSQL",
    self_hosted=True,
    source_types=(
        "AzureVM",
        "AWS",
        "AWS_EC2",
        "ApsaraDB_RDS",
        "Crunchy_PostgreSQL",
        "Digital_Ocean_Droplets",
        "EDB",
        "EDB_PostgreSQL",
        "GCP",
        "GCP_Compute",
        "Heroku_PostgreSQL",
        "Huawei_Compute",
        "Huawei_RDS",
        "Other",
        "PostgreSQLCosmosDB",
    ),
    administrator="A superuser may do everything; a user without that right may own or be granted what it needs.",
    network=f"Check the firewall between this machine and the server; {ON_THE_MACHINE}.",
    login="Set it anew on the server's machine: ALTER ROLE with PASSWORD, as a superuser.",
)
AZURE_VM = replace(
    SELF_HOSTED,
    key="AzureVM",
    name="PostgreSQL on an Azure VM",
    source_types=(),
    network=f"Open the port in the VM's network security group and in its own firewall; {ON_THE_MACHINE}.",
)
AMAZON_EC2 = replace(
    SELF_HOSTED,
    key="AWS_EC2",
    name="PostgreSQL on Amazon EC2",
    source_types=("AWS",),
    network=f"Open the port in the instance's security group; {ON_THE_MACHINE}.",
)
GOOGLE_COMPUTE = replace(
    SELF_HOSTED,
    key="GCP_Compute",
    name="PostgreSQL on Google Compute Engine",
    source_types=("GCP",),
    network=f"Open the port with a firewall rule of the VPC network; {ON_THE_MACHINE}.",
)
DROPLET = replace(
    SELF_HOSTED,
    key="Digital_Ocean_Droplets",
    name="PostgreSQL on a DigitalOcean Droplet",
    source_types=(),
    network=f"Open the port in the Droplet's cloud firewall; {ON_THE_MACHINE}.",
)
HUAWEI_COMPUTE = replace(
    SELF_HOSTED,
    key="Huawei_Compute",
    name="PostgreSQL on Huawei ECS",
    source_types=(),
    network=f"Open the port in the ECS's security group; {ON_THE_MACHINE}.",
)
OTHER = replace(SELF_HOSTED, key="Other", name="Another PostgreSQL", source_types=())
