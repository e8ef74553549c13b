"""A migration: one source server, one target server, some databases."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from migrations_app.engine.spec import (
    ApplyChoice,
    AtWarnings,
    MigrationMode,
    MigrationOption,
    OnObjectError,
    RolePolicy,
    VerificationLevel,
    WithoutIdentity,
)
from migrations_app.models.connection import MigrationEndpoint
from migrations_app.models.states import ACTIVE_STATES, TERMINAL_STATES, SourceType, State, Substate

OPTION_CHOICES = [
    (MigrationOption.VALIDATE, "Validate"),
    (MigrationOption.MIGRATE, "Migrate"),
    (MigrationOption.VALIDATE_AND_MIGRATE, "Validate and Migrate"),
]
MODE_CHOICES = [(mode, mode.value) for mode in MigrationMode]
ROLE_CHOICES = [
    (RolePolicy.COPY, "Copy roles, memberships and, where they can be read, passwords"),
    (RolePolicy.COPY_WITHOUT_PASSWORDS, "Copy roles and memberships without passwords"),
    (RolePolicy.SKIP, "Do not copy roles"),
]
VERIFICATION_CHOICES = [
    (VerificationLevel.FULL, "Full: row counts and a hash of every row"),
    (VerificationLevel.COUNTS, "Row counts only"),
    (VerificationLevel.NONE, "None"),
]
ON_ERROR_CHOICES = [
    (OnObjectError.CONTINUE, "Go on, and list it as a finding"),
    (OnObjectError.STOP, "Stop the database at the first such object"),
]
AT_WARNINGS_CHOICES = [
    (AtWarnings.GO_ON, "Go on; they are listed as findings"),
    (AtWarnings.WAIT, "Wait until each is accepted"),
]

APPLY_CHOICES = [
    (ApplyChoice.AUTO, "Automatic: server to server where both servers allow it, else through the portal"),
    (ApplyChoice.SERVER_TO_SERVER, "Server to server: a subscription on the target reads the source"),
    (ApplyChoice.THROUGH_PORTAL, "Through the portal: no route between the servers is needed"),
]
WITHOUT_IDENTITY_CHOICES = [
    (WithoutIdentity.COPY_AT_CUTOVER, "Copy them again at the cutover"),
    (WithoutIdentity.FULL, "Set REPLICA IDENTITY FULL on the source, taken back at the end"),
    (WithoutIdentity.INSERTS_ONLY, "Follow their inserts only"),
]


class Migration(models.Model):
    """One migration, from the first step of its wizard to the end of its history.

    ``state`` is changed only by ``lifecycle.transition``. ``revision`` grows with everything a page shows.
    ``step_times`` maps a step of the rail to ``{"state", "started_at", "ended_at"}``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    source_type = models.CharField(max_length=40, choices=SourceType.choices, default=SourceType.ON_PREMISES)
    option = models.CharField(max_length=20, choices=OPTION_CHOICES, default=MigrationOption.VALIDATE_AND_MIGRATE)
    mode = models.CharField(max_length=10, choices=MODE_CHOICES, default=MigrationMode.OFFLINE)
    source = models.OneToOneField(MigrationEndpoint, on_delete=models.PROTECT, related_name="migration_as_source")
    target = models.OneToOneField(MigrationEndpoint, on_delete=models.PROTECT, related_name="migration_as_target")

    state = models.CharField(max_length=24, choices=State.choices, default=State.DRAFT, db_index=True)
    substate = models.CharField(max_length=50, choices=Substate.choices, default=Substate.NONE, blank=True)
    revision = models.BigIntegerField(default=0)
    draft_step = models.CharField(max_length=20, default="setup")
    draft_saved_at = models.DateTimeField(auto_now_add=True)

    jobs = models.PositiveSmallIntegerField(default=4)
    split_bytes = models.BigIntegerField(default=1024**3)
    roles = models.CharField(max_length=30, choices=ROLE_CHOICES, default=RolePolicy.COPY)
    verification = models.CharField(max_length=10, choices=VERIFICATION_CHOICES, default=VerificationLevel.FULL)
    on_object_error = models.CharField(max_length=10, choices=ON_ERROR_CHOICES, default=OnObjectError.CONTINUE)
    at_warnings = models.CharField(
        max_length=10, choices=AT_WARNINGS_CHOICES, default=AtWarnings.GO_ON, db_default=AtWarnings.GO_ON.value
    )
    target_free_bytes = models.BigIntegerField(null=True, blank=True)
    apply_engine = models.CharField(
        max_length=20, choices=APPLY_CHOICES, default=ApplyChoice.AUTO, db_default=ApplyChoice.AUTO.value
    )
    without_identity = models.CharField(
        max_length=20,
        choices=WITHOUT_IDENTITY_CHOICES,
        default=WithoutIdentity.COPY_AT_CUTOVER,
        db_default=WithoutIdentity.COPY_AT_CUTOVER.value,
    )
    heartbeat = models.BooleanField(
        default=True, db_default=True, help_text="A schema of ours with one table may be made on the source."
    )
    source_as_seen_by_target = models.CharField(max_length=262, blank=True, default="", db_default="")
    sequence_headroom = models.PositiveIntegerField(default=1000, db_default=1000)
    cutover_seconds = models.PositiveIntegerField(default=600, db_default=600)
    cutover_verification = models.CharField(
        max_length=10,
        choices=VERIFICATION_CHOICES,
        default=VerificationLevel.COUNTS,
        db_default=VerificationLevel.COUNTS.value,
    )
    fall_back = models.BooleanField(default=False, db_default=False)
    retained_wal_bytes = models.BigIntegerField(default=10 * 1024**3, db_default=10 * 1024**3)
    lag_alarm_seconds = models.PositiveIntegerField(default=300, db_default=300)
    room_alarm_seconds = models.PositiveIntegerField(default=4 * 3600, db_default=4 * 3600)
    protect_source = models.BooleanField(default=False, db_default=False)
    give_up_wal_bytes = models.BigIntegerField(default=20 * 1024**3, db_default=20 * 1024**3)
    warn_after_days = models.PositiveSmallIntegerField(default=7, db_default=7, help_text="0: never.")
    warn_cutover_days = models.PositiveSmallIntegerField(default=3, db_default=3, help_text="0: never.")

    forget_passwords = models.BooleanField(default=False, help_text="Erase both passwords when the migration ends.")

    scheduled_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    error_server_message = models.TextField(blank=True)
    step_times = models.JSONField(default=dict, blank=True)

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("operate_migration", "Can create, start and cancel migrations"),
            ("administer_portal", "Can manage people and settings of the portal"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="migration_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Queued, running or waiting."""
        return self.state in ACTIVE_STATES

    @property
    def is_terminal(self) -> bool:
        """Ended, however."""
        return self.state in TERMINAL_STATES


class Run(models.Model):
    """The lease of one migration: whoever holds the newest ``fence`` and an unexpired lease drives it.

    One row per migration, claimed by conditional UPDATE with the portal database's clock.
    """

    migration = models.OneToOneField(Migration, on_delete=models.CASCADE, related_name="run")
    owner = models.CharField(max_length=120, blank=True)
    fence = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True, db_index=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="When the doorbell was last rung for it.")
    doorbell_id = models.BigIntegerField(null=True, blank=True, help_text="The queued task of that ring.")
    look_again_at = models.DateTimeField(
        null=True, blank=True, help_text="Until then native replication goes on by itself, without a worker."
    )

    def __str__(self) -> str:
        return f"run of {self.migration_id}, fence {self.fence}"
