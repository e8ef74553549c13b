"""A check of findings that somebody asked for, beside the migration's own validation."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from migrations_app.models.migration import Migration
from migrations_app.models.progress import MigrationDatabase


class FindingCheck(models.Model):
    """A wish to run validation rules again: open until ``ended_at``. It never changes either server.

    ``codes`` limits it to the rules that may find these; empty means every rule. ``database`` limits it to one.
    """

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="checks")
    database = models.ForeignKey(MigrationDatabase, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    codes = models.JSONField(default=list, blank=True)
    subject = models.TextField(blank=True, help_text="The finding for which it was asked, in words.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["migration"], condition=models.Q(ended_at__isnull=True), name="check_open"),
        ]

    def __str__(self) -> str:
        return self.subject or "every rule"
