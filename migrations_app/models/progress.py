"""The databases, tables and parts of a migration, as they move."""

from __future__ import annotations

import uuid

from django.db import models

from migrations_app.models.migration import Migration
from migrations_app.models.states import OnlinePhase, PartState, State


class MigrationDatabase(models.Model):
    """One database of a migration, with its own state and step times."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="databases")
    source_name = models.CharField(max_length=63)
    target_name = models.CharField(max_length=63)
    overwrite = models.BooleanField(default=False, help_text="Somebody typed its name to agree to overwriting it.")
    selection = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="Size, tables, owner … as the wizard saw them.")

    state = models.CharField(max_length=24, choices=State.choices, default=State.QUEUED)
    phase = models.CharField(
        max_length=20, choices=OnlinePhase.choices, default=OnlinePhase.NONE, db_default="", blank=True
    )
    step = models.CharField(max_length=20, blank=True)
    step_times = models.JSONField(default=dict, blank=True)
    verified = models.CharField(max_length=20, blank=True)
    bytes_total = models.BigIntegerField(default=0)
    bytes_done = models.BigIntegerField(default=0)
    rows_done = models.BigIntegerField(default=0)
    tables_total = models.PositiveIntegerField(default=0)
    tables_done = models.PositiveIntegerField(default=0)
    indexes_total = models.PositiveIntegerField(default=0)
    indexes_done = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    error_server_message = models.TextField(blank=True)
    on_target = models.TextField(blank=True, help_text="What is on the target now, in words.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["source_name"]
        constraints = [
            models.UniqueConstraint(fields=["migration", "source_name"], name="database_once_per_migration"),
            models.UniqueConstraint(fields=["migration", "target_name"], name="target_once_per_migration"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="database_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.source_name


class TableCopy(models.Model):
    """One table of a database. ``plan`` holds what the engine needs to copy it (columns, oid, binary, condition)."""

    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="tables")
    schema = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    plan = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=PartState.choices, default=PartState.TODO)
    bytes_total = models.BigIntegerField(default=0)
    bytes_done = models.BigIntegerField(default=0)
    rows_estimate = models.BigIntegerField(default=-1)
    rows_done = models.BigIntegerField(default=0)
    parts_total = models.PositiveIntegerField(default=1)
    parts_done = models.PositiveIntegerField(default=0)
    indexes_total = models.PositiveIntegerField(default=0)
    indexes_done = models.PositiveIntegerField(default=0)
    index_now = models.CharField(max_length=200, blank=True, help_text="The index being built, with its progress.")
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "table copies"
        constraints = [
            models.UniqueConstraint(fields=["database", "schema", "name"], name="table_once_per_database"),
        ]
        indexes = [models.Index(fields=["database", "state"])]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class Part(models.Model):
    """A range of a table's rows, copied exactly once. ``copies`` counts commits on the target: it must end at 1."""

    table = models.ForeignKey(TableCopy, on_delete=models.CASCADE, related_name="parts")
    database = models.ForeignKey(MigrationDatabase, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    lower = models.BigIntegerField(null=True)
    upper = models.BigIntegerField(null=True)
    key_column = models.CharField(max_length=63, blank=True)
    weight_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=PartState.choices, default=PartState.TODO)
    fence = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    copies = models.PositiveIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "number"], name="part_once_per_table")]
        indexes = [models.Index(fields=["database", "state", "-weight_bytes", "id"])]

    def __str__(self) -> str:
        return f"{self.table} part {self.number}"
