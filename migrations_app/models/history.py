"""What happened and what was found: events, findings, verification, and who is alive."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from migrations_app.engine.findings import FindingSide, ScriptUse
from migrations_app.models.migration import Migration
from migrations_app.models.progress import MigrationDatabase

SIDE_CHOICES = [
    (FindingSide.SOURCE.value, "Source"),
    (FindingSide.TARGET.value, "Target"),
    (FindingSide.BOTH.value, "Both"),
    (FindingSide.NONE.value, "Neither"),
]

USE_CHOICES = [
    (ScriptUse.NOW.value, "Now"),
    (ScriptUse.AFTER.value, "After the migration"),
    (ScriptUse.CHOICE.value, "If somebody decides so"),
]


class EventKind(models.TextChoices):
    """What sort of thing an event records."""

    STATE = "state", "State"
    ACTION = "action", "Action of a person"
    STEP = "step", "Step"
    NOTE = "note", "Note"
    ERROR = "error", "Error"


class MigrationEvent(models.Model):
    """One line of the log, never changed. ``actor`` and ``address`` are set when a person acted."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="events")
    database = models.ForeignKey(MigrationDatabase, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=10, choices=EventKind.choices, default=EventKind.NOTE)
    level = models.CharField(max_length=15, default="Info")
    message = models.TextField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.GenericIPAddressField(null=True, blank=True)
    from_state = models.CharField(max_length=24, blank=True)
    to_state = models.CharField(max_length=24, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message


class MigrationFinding(models.Model):
    """A finding of the engine, kept; the fields are those of ``engine.findings.Finding``.

    A later run that finds it again updates this row, so that an acceptance stays. ``changed_at`` moves with anything
    that a page shows of it.
    """

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="findings")
    database = models.ForeignKey(
        MigrationDatabase, null=True, blank=True, on_delete=models.CASCADE, related_name="findings"
    )
    code = models.CharField(max_length=12)
    level = models.CharField(max_length=15)
    subject = models.TextField()
    saw = models.TextField()
    why = models.TextField(blank=True)
    fix = models.TextField(blank=True)
    fix_sql = models.TextField(blank=True)
    statement = models.TextField(blank=True)
    server_message = models.TextField(blank=True)
    phase = models.CharField(max_length=20, blank=True)
    side = models.CharField(max_length=10, blank=True, choices=SIDE_CHOICES, db_default=FindingSide.NONE.value)
    script_use = models.CharField(max_length=10, blank=True, choices=USE_CHOICES, db_default=ScriptUse.NOW.value)
    script_database = models.TextField(blank=True, db_default="")
    found_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(db_default=Now())
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted_from = models.CharField(max_length=200, blank=True, help_text="Who, where it was no login of the portal.")
    accepted_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["migration", "level"])]

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"


class VerificationResult(models.Model):
    """One comparison of source and target; the fields are those of ``engine.events.ObjectVerified``."""

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="verification")
    object_class = models.CharField(max_length=40)
    name = models.TextField()
    result = models.CharField(max_length=20)
    source = models.TextField(blank=True)
    target = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    verified_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["object_class", "name"]
        constraints = [
            models.UniqueConstraint(fields=["database", "object_class", "name"], name="object_verified_once"),
        ]

    def __str__(self) -> str:
        return f"{self.object_class} {self.name}: {self.result}"


class ThroughputSample(models.Model):
    """Bytes and rows copied so far at a moment, for the sparkline and the rate; one every few seconds while copying."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField(auto_now_add=True)
    bytes_done = models.BigIntegerField()
    rows_done = models.BigIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.bytes_done} bytes at {self.at}"


class ProcessHeartbeat(models.Model):
    """A process of the portal that lives: ``kind`` is worker, cluster, reconciler or web."""

    kind = models.CharField(max_length=20)
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "host", "pid"], name="heartbeat_once_per_process")]

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.pid}"
