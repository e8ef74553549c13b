"""A database that is being followed: how far its changes are, what people asked, and how each cutover went."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from migrations_app.engine.events import Direction
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyKind, ApplyState
from migrations_app.engine.replication.cutover_steps import CutoverResult, CutoverStep
from migrations_app.engine.spec import VerificationLevel
from migrations_app.models.migration import VERIFICATION_CHOICES
from migrations_app.models.progress import MigrationDatabase

DIRECTION_CHOICES = [
    (Direction.FORWARD.value, "Source to target"),
    (Direction.REVERSE.value, "Back to the source"),
]
ENGINE_CHOICES = [
    (ApplyKind.SERVER_TO_SERVER.value, "Server to server"),
    (ApplyKind.THROUGH_PORTAL.value, "Through the portal"),
]
APPLY_STATE_CHOICES = [
    (ApplyState.STARTING.value, "Starting"),
    (ApplyState.APPLYING.value, "Applying"),
    (ApplyState.PAUSED.value, "Paused"),
    (ApplyState.RECONNECTING.value, "Reconnecting"),
    (ApplyState.BROKEN.value, "Stopped by an error"),
]
REQUEST_CHOICES = [
    (RequestKind.REHEARSE.value, "Rehearse the cutover"),
    (RequestKind.CUTOVER.value, "Cut over"),
    (RequestKind.PAUSE.value, "Pause replication"),
    (RequestKind.CONTINUE.value, "Continue replication"),
    (RequestKind.MEND.value, "Apply a change to the target"),
    (RequestKind.GO_BACK.value, "Go back to the source"),
    (RequestKind.FINISH.value, "Finish"),
]
RESULT_CHOICES = [
    ("", "Running"),
    (CutoverResult.DONE.value, "Done"),
    (CutoverResult.UNDONE.value, "Undone"),
    (CutoverResult.REHEARSED.value, "Rehearsed"),
]
CUTOVER_STEP_CHOICES = [
    (CutoverStep.READINESS.value, "Readiness"),
    (CutoverStep.FENCE.value, "Block writes"),
    (CutoverStep.DRAIN.value, "Apply what is left"),
    (CutoverStep.TABLES.value, "Tables copied again"),
    (CutoverStep.SEQUENCES.value, "Sequences"),
    (CutoverStep.LARGE_OBJECTS.value, "Large objects"),
    (CutoverStep.VIEWS.value, "Materialized views"),
    (CutoverStep.VERIFY.value, "Verification"),
    (CutoverStep.REVERSE.value, "Way back"),
    (CutoverStep.OPEN.value, "Open the target"),
    (CutoverStep.UNDO.value, "Undo"),
]


class Replication(models.Model):
    """One direction in which a database's changes travel, as the last sample saw it.

    Places in the log (LSN) are bytes, of the server that publishes. ``lag_seconds`` is null without a heartbeat;
    counters are null where the server does not count.
    """

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="replications")
    direction = models.CharField(max_length=10, choices=DIRECTION_CHOICES, default=Direction.FORWARD.value)
    engine = models.CharField(max_length=20, choices=ENGINE_CHOICES)
    reason = models.TextField(blank=True, help_text="Why this engine was chosen.")
    slot = models.CharField(max_length=63)
    tables = models.PositiveIntegerField(default=0)
    begins_at_lsn = models.BigIntegerField(default=0)

    state = models.CharField(max_length=20, choices=APPLY_STATE_CHOICES, default=ApplyState.STARTING.value)
    source_lsn = models.BigIntegerField(default=0)
    received_lsn = models.BigIntegerField(default=0)
    applied_lsn = models.BigIntegerField(default=0)
    lag_bytes = models.BigIntegerField(null=True, blank=True)
    lag_seconds = models.FloatField(null=True, blank=True)
    inserts = models.BigIntegerField(null=True, blank=True)
    updates = models.BigIntegerField(null=True, blank=True)
    deletes = models.BigIntegerField(null=True, blank=True)
    truncates = models.BigIntegerField(null=True, blank=True)
    transactions = models.BigIntegerField(null=True, blank=True)
    retained_wal_bytes = models.BigIntegerField(null=True, blank=True)
    wal_status = models.CharField(max_length=20, blank=True)
    room_bytes = models.BigIntegerField(null=True, blank=True, help_text="How much more log fits, null: not known.")
    room_limit = models.CharField(max_length=40, blank=True, db_default="", help_text="What limits the room.")
    full_in_seconds = models.FloatField(null=True, blank=True, help_text="Null: not known, or no room is used up.")
    open_bytes = models.BigIntegerField(null=True, blank=True, help_text="Log since the oldest open transaction.")
    most_open_bytes = models.BigIntegerField(null=True, blank=True, help_text="The most there was of it so far.")
    error = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    error_server_message = models.TextField(blank=True)

    started_at = models.DateTimeField()
    state_since = models.DateTimeField()
    caught_up_at = models.DateTimeField(null=True, blank=True)
    sampled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["database__source_name", "direction"]
        constraints = [
            models.UniqueConstraint(fields=["database", "direction"], name="replication_once_per_direction"),
        ]

    def __str__(self) -> str:
        return f"{self.database_id} {self.direction}"

    @property
    def changes(self) -> int | None:
        """Rows applied so far, of every kind; None where the server does not count."""
        counts = (self.inserts, self.updates, self.deletes)
        return None if all(count is None for count in counts) else sum(count or 0 for count in counts)


class ReplicationSample(models.Model):
    """How far a replication was at a moment; kept every 2 s for 10 minutes, then ever more thinly, for 14 days."""

    replication = models.ForeignKey(Replication, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    source_lsn = models.BigIntegerField()
    applied_lsn = models.BigIntegerField()
    lag_bytes = models.BigIntegerField()
    lag_seconds = models.FloatField(null=True, blank=True)
    retained_wal_bytes = models.BigIntegerField(null=True, blank=True)
    changes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["replication", "at"], name="replication_sample_at")]

    def __str__(self) -> str:
        return f"{self.lag_bytes} bytes behind at {self.at}"


class ReplicationRequest(models.Model):
    """What a person asked of a database that is being followed; open until ``ended_at``."""

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="requests")
    kind = models.CharField(max_length=12, choices=REQUEST_CHOICES)
    verification = models.CharField(max_length=10, choices=VERIFICATION_CHOICES, default=VerificationLevel.COUNTS.value)
    subject = models.TextField(blank=True, default="", db_default="", help_text="Which difference is to be mended.")
    may_drop = models.BooleanField(default=False, db_default=False, help_text="What drops data was confirmed.")
    reopen_source = models.BooleanField(
        default=False, db_default=False, help_text="Finish: the old source takes writes again."
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_from = models.CharField(max_length=200, blank=True, help_text="Who, where it was no login of the portal.")
    address = models.GenericIPAddressField(null=True, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    succeeded = models.BooleanField(null=True, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["database"], condition=models.Q(ended_at__isnull=True), name="request_open"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class OldSourceVisitor(models.Model):
    """Somebody whose sessions were seen on the old source after the cutover; looked for every few seconds.

    ``sessions`` counts the sessions that were seen; ``is_writing`` that one of them had written when it was looked at.
    """

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="old_source_visitors")
    role = models.TextField(blank=True)
    address = models.TextField(blank=True, help_text="Empty: a local connection, or hidden from the portal's user.")
    application = models.TextField(blank=True)
    is_superuser = models.BooleanField(default=False)
    is_writing = models.BooleanField(default=False)
    sessions = models.PositiveIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["database", "role", "address", "application"], name="old_source_visitor_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} from {self.address or 'a local connection'}"


class CutoverAttempt(models.Model):
    """One cutover or rehearsal of a database, in one direction; it runs until ``ended_at``."""

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="cutovers")
    request = models.ForeignKey(
        ReplicationRequest, null=True, blank=True, on_delete=models.SET_NULL, related_name="attempts"
    )
    direction = models.CharField(max_length=10, choices=DIRECTION_CHOICES, default=Direction.FORWARD.value)
    is_rehearsal = models.BooleanField(default=False)
    result = models.CharField(max_length=10, choices=RESULT_CHOICES, blank=True)
    fence_lsn = models.BigIntegerField(default=0)
    downtime_seconds = models.FloatField(null=True, blank=True)
    message = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    server_message = models.TextField(blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["database"], condition=models.Q(ended_at__isnull=True), name="one_cutover_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{'rehearsal' if self.is_rehearsal else 'cutover'} of {self.database_id}, {self.began_at}"


class CutoverStepTime(models.Model):
    """One step of an attempt: the time line."""

    attempt = models.ForeignKey(CutoverAttempt, on_delete=models.CASCADE, related_name="steps")
    step = models.CharField(max_length=20, choices=CUTOVER_STEP_CHOICES)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["started_at", "id"]
        constraints = [models.UniqueConstraint(fields=["attempt", "step"], name="step_once_per_attempt")]

    def __str__(self) -> str:
        return self.get_step_display()

    @property
    def seconds(self) -> float | None:
        """How long the step took; None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None
