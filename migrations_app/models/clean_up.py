"""A clean-up that somebody asked for by hand, after the end of an online migration, and what it found."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from migrations_app.models.migration import Migration
from migrations_app.models.progress import MigrationDatabase


class CleanUp(models.Model):
    """A wish to remove from both servers what an online migration made: open until ``ended_at``.

    ``nothing_is_left`` is null where it could not be looked at.
    """

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="clean_ups")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_from = models.CharField(max_length=200, blank=True, help_text="Who, where it was no login of the portal.")
    address = models.GenericIPAddressField(null=True, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    nothing_is_left = models.BooleanField(null=True, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["migration"], condition=models.Q(ended_at__isnull=True), name="clean_up_open"),
        ]

    def __str__(self) -> str:
        return f"clean-up of {self.migration_id}"


class CleanUpItem(models.Model):
    """What a clean-up found of one kind in one database of one server: what it removed, and what is left.

    ``kept`` is meant to stay: the notes of a copy that is incomplete.
    ``statements`` remove what is left by hand; ``server_message`` says why it could not be removed, or looked at.
    """

    clean_up = models.ForeignKey(CleanUp, on_delete=models.CASCADE, related_name="items")
    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="+")
    side = models.CharField(max_length=10, choices=[("source", "Source"), ("target", "Target")])
    server = models.TextField()
    kind = models.CharField(max_length=40)
    kept = models.JSONField(default=list)
    removed = models.JSONField(default=list)
    left = models.JSONField(default=list)
    statements = models.TextField(blank=True)
    server_message = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} on {self.server}"
