"""Amazon RDS for PostgreSQL and Amazon Aurora PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.providers.provider import Provider

AMAZON_RDS = Provider(
    key="AWS_RDS",
    name="Amazon RDS for PostgreSQL",
    settings=("rds.extensions", "rds.logical_replication", "rds.force_ssl", "rds.superuser_variables"),
    marker_roles=("rdsadmin", "rds_superuser", "rds_replication"),
    databases=("rdsadmin",),
    host_pattern=r"\.rds\.amazonaws\.com(\.cn)?$",
    pooler_pattern=r"\.proxy-[^.]+\.[^.]+\.rds\.amazonaws\.com",
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
)
AMAZON_AURORA = replace(
    AMAZON_RDS,
    key="AWS_AURORA",
    name="Amazon Aurora PostgreSQL",
    has_aurora_version=True,
    host_pattern=r"\.cluster-(ro-|custom-)?[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?$",
)
