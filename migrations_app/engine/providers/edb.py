"""EDB: Postgres Advanced Server (the Oracle-compatible one), Postgres Extended, and EDB's PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.providers.provider import Provider
from migrations_app.engine.providers.self_hosted import SELF_HOSTED

EDB = Provider(
    key="EDB_Oracle_Server",
    name="EDB Postgres Advanced Server",
    settings=("edb_redwood_date", "edb_redwood_strings"),
    marker_roles=("aq_administrator_role",),
    version_word="EnterpriseDB",
    host_pattern=r"\.biganimal\.io$",
    role_pattern=r"^(aq_administrator_role|enterprisedb)$",
    schemas=("sys", "dbo"),
    source_types=("EDB", "EDB_PostgreSQL"),
    self_hosted=True,
    administrator="enterprisedb is a superuser of a server of one's own; on BigAnimal edb_admin is none.",
    limits=(
        "Packages, synonyms, Oracle's types (VARCHAR2, NUMBER) and SPL functions exist on no other PostgreSQL: they "
        "are findings of the restore.",
        "edb_redwood_date and edb_redwood_strings change what dates and empty texts mean: set them off to compare.",
    ),
    network=SELF_HOSTED.network,
    login=SELF_HOSTED.login,
)
EDB_POSTGRESQL = replace(
    SELF_HOSTED, key="EDB_PostgreSQL", name="EDB PostgreSQL", source_types=("EDB", "EDB_Oracle_Server")
)
EDB_ANY = replace(SELF_HOSTED, key="EDB", name="EDB Postgres", source_types=("EDB_PostgreSQL", "EDB_Oracle_Server"))
