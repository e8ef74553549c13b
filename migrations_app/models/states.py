"""States, phases and other stored words, with the label a person reads."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    """State of a migration, or of one of its databases (Microsoft's words)."""

    DRAFT = "Draft", "Draft"
    QUEUED = "Queued", "Queued"
    IN_PROGRESS = "InProgress", "In progress"
    WAITING_FOR_USER = "WaitingForUserAction", "Waiting for you"
    PAUSED = "Paused", "Paused"
    SUCCEEDED = "Succeeded", "Succeeded"
    FAILED = "Failed", "Failed"
    CANCELED = "Canceled", "Canceled"
    VALIDATION_FAILED = "ValidationFailed", "Validation failed"
    CLEANING_UP = "CleaningUp", "Cleaning up"


ACTIVE_STATES = (State.QUEUED, State.IN_PROGRESS, State.WAITING_FOR_USER, State.PAUSED, State.CLEANING_UP)
TERMINAL_STATES = (State.SUCCEEDED, State.FAILED, State.CANCELED, State.VALIDATION_FAILED)


class Substate(models.TextChoices):
    """What a migration does within its state (Microsoft's words)."""

    NONE = "", "—"
    PREREQUISITES = "PerformingPreRequisiteSteps", "Performing prerequisite steps"
    VALIDATING = "ValidationInProgress", "Validating"
    MIGRATING_DATA = "MigratingData", "Migrating data"
    WAITING_FOR_CUTOVER = "WaitingForCutoverTrigger", "Waiting for cutover"
    WAITING_FOR_FALL_BACK = "WaitingForFallBackDecision", "Waiting: go back, or finish"
    COMPLETING = "CompletingMigration", "Completing"
    COMPLETED = "Completed", "Completed"
    CANCELING = "CancelingRequestedDBMigrations", "Canceling"
    WAITING_FOR_WINDOW = "WaitingForDataMigrationWindow", "Waiting for its start time"
    WAITING_FOR_ACCEPTANCE = "WaitingForAcceptanceOfWarnings", "Waiting until warnings are accepted"
    WAITING_FOR_OVERWRITE = "WaitingForTargetDBOverwriteConfirmation", "Waiting for consent to overwrite"


FOLLOWING_SUBSTATES = (Substate.WAITING_FOR_CUTOVER, Substate.WAITING_FOR_FALL_BACK)


class OnlinePhase(models.TextChoices):
    """Where a database of an online migration is, from the moment its changes are kept."""

    NONE = "", "—"
    FOLLOWING = "following", "Catching up"
    READY = "ready", "Ready to cut over"
    CUTTING_OVER = "cutting_over", "Cutting over"
    CUT_OVER = "cut_over", "Cut over"
    GOING_BACK = "going_back", "Going back"
    GONE_BACK = "gone_back", "Back on the source"


AFTER_CUTOVER = (OnlinePhase.CUT_OVER, OnlinePhase.GOING_BACK, OnlinePhase.GONE_BACK)


class SourceType(models.TextChoices):
    """Microsoft's ``sourceType`` values and three of ours, with the names people use."""

    ON_PREMISES = "OnPremises", "On-premises server"
    AZURE_VM = "AzureVM", "Azure VM"
    AWS_RDS = "AWS_RDS", "Amazon RDS for PostgreSQL"
    AWS_AURORA = "AWS_AURORA", "Amazon Aurora PostgreSQL"
    GCP_CLOUD_SQL = "GCP_CloudSQL", "Google Cloud SQL for PostgreSQL"
    AWS = "AWS", "AWS (other)"
    AWS_EC2 = "AWS_EC2", "Amazon EC2"
    GCP = "GCP", "Google Cloud (other)"
    GCP_ALLOYDB = "GCP_AlloyDB", "Google AlloyDB"
    GCP_COMPUTE = "GCP_Compute", "Google Compute Engine"
    FLEXIBLE_SERVER = "PostgreSQLFlexibleServer", "Azure Database for PostgreSQL flexible server"
    SINGLE_SERVER = "PostgreSQLSingleServer", "Azure Database for PostgreSQL single server"
    COSMOS_DB = "PostgreSQLCosmosDB", "Azure Cosmos DB for PostgreSQL"
    EDB = "EDB", "EDB"
    EDB_ORACLE = "EDB_Oracle_Server", "EDB Postgres Advanced Server"
    EDB_POSTGRESQL = "EDB_PostgreSQL", "EDB PostgreSQL"
    HEROKU = "Heroku_PostgreSQL", "Heroku Postgres"
    CRUNCHY = "Crunchy_PostgreSQL", "Crunchy Bridge"
    SUPABASE = "Supabase_PostgreSQL", "Supabase"
    NEON = "Neon", "Neon"
    AIVEN = "Aiven", "Aiven for PostgreSQL"
    DIGITAL_OCEAN = "Digital_Ocean_PostgreSQL", "DigitalOcean managed PostgreSQL"
    DIGITAL_OCEAN_DROPLETS = "Digital_Ocean_Droplets", "DigitalOcean Droplets"
    APSARA = "ApsaraDB_RDS", "Alibaba ApsaraDB RDS"
    HUAWEI_RDS = "Huawei_RDS", "Huawei RDS"
    HUAWEI_COMPUTE = "Huawei_Compute", "Huawei ECS"
    OTHER = "Other", "Other PostgreSQL"


BEYOND_MICROSOFT = (SourceType.NEON, SourceType.AIVEN, SourceType.OTHER)  # its service calls such sources OnPremises


class SslMode(models.TextChoices):
    """libpq's TLS modes."""

    DISABLE = "disable", "disable: never encrypt"
    ALLOW = "allow", "allow: encrypt only if the server insists"
    PREFER = "prefer", "prefer: encrypt if the server can"
    REQUIRE = "require", "require: always encrypt, do not check the certificate"
    VERIFY_CA = "verify-ca", "verify-ca: encrypt and check the certificate's issuer"
    VERIFY_FULL = "verify-full", "verify-full: encrypt, check issuer and host name"


class PartState(models.TextChoices):
    """State of a table or of a part."""

    TODO = "todo", "To do"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class StepState(models.TextChoices):
    """State of one step of the rail."""

    TODO = "todo", "To do"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
