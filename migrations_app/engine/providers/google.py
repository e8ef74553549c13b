"""Google Cloud SQL for PostgreSQL and AlloyDB."""

from __future__ import annotations

from migrations_app.engine.providers.provider import Provider

GOOGLE_EXTENSIONS = ("google_columnar_engine", "google_db_advisor", "google_insights", "google_ml_integration")

GOOGLE_CLOUD_SQL = Provider(
    key="GCP_CloudSQL",
    name="Google Cloud SQL for PostgreSQL",
    settings=("cloudsql.logical_decoding", "cloudsql.iam_authentication", "cloudsql.enable_pgaudit"),
    marker_roles=("cloudsqladmin", "cloudsqlsuperuser", "cloudsqlagent"),
    databases=("cloudsqladmin",),
    host_pattern=r"\.sql\.goog$",
    role_pattern=r"^cloudsql",
    extensions=GOOGLE_EXTENSIONS,
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
)
