"""The history of what was followed: replications, cutovers with their time lines, and what people asked."""

from __future__ import annotations

from django.contrib import admin

from migrations_app.admin_readonly import HistoryAdmin, HistoryInline
from migrations_app.models import CutoverAttempt, CutoverStepTime, Replication, ReplicationRequest


@admin.register(Replication)
class ReplicationAdmin(HistoryAdmin):
    """Every database whose changes were followed, in either direction."""

    list_display = ("database", "migration", "direction", "engine", "state", "lag_bytes", "lag_seconds", "started_at")
    list_filter = ("direction", "engine", "state", "wal_status")
    list_select_related = ("database__migration",)
    search_fields = ("database__source_name", "database__migration__name", "slot", "error")
    date_hierarchy = "started_at"
    export_fields = (
        "database__migration__name", "database__source_name", "direction", "engine", "reason", "slot", "tables",
        "state", "lag_bytes", "lag_seconds", "inserts", "updates", "deletes", "truncates", "transactions",
        "retained_wal_bytes", "wal_status", "error", "started_at", "caught_up_at", "ended_at",
    )  # fmt: skip

    @admin.display(description="Migration", ordering="database__migration__name")
    def migration(self, row: Replication) -> str:
        """The migration's name."""
        return row.database.migration.name


class StepInline(HistoryInline):
    """The time line of a cutover."""

    model = CutoverStepTime
    fields = ("step", "started_at", "ended_at", "detail")


@admin.register(CutoverAttempt)
class CutoverAttemptAdmin(HistoryAdmin):
    """Every cutover, rehearsal and way back."""

    list_display = (
        "database",
        "migration",
        "direction",
        "is_rehearsal",
        "result",
        "downtime_seconds",
        "began_at",
        "ended_at",
    )
    list_filter = ("result", "is_rehearsal", "direction")
    list_select_related = ("database__migration",)
    search_fields = ("database__source_name", "database__migration__name", "message", "server_message")
    date_hierarchy = "began_at"
    inlines = [StepInline]
    export_fields = (
        "database__migration__name", "database__source_name", "direction", "is_rehearsal", "result",
        "downtime_seconds", "fence_lsn", "message", "hint", "server_message", "request__asked_by__username",
        "began_at", "ended_at",
    )  # fmt: skip

    @admin.display(description="Migration", ordering="database__migration__name")
    def migration(self, row: CutoverAttempt) -> str:
        """The migration's name."""
        return row.database.migration.name


@admin.register(ReplicationRequest)
class ReplicationRequestAdmin(HistoryAdmin):
    """Who asked for a cutover, a pause or a way back, when, from where, and what became of it."""

    list_display = ("asked_at", "kind", "database", "migration", "asked_by", "address", "succeeded", "ended_at")
    list_filter = ("kind", "succeeded", ("asked_by", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("database__migration", "asked_by")
    search_fields = ("database__source_name", "database__migration__name", "asked_by__username", "message")
    date_hierarchy = "asked_at"
    export_fields = (
        "asked_at", "database__migration__name", "database__source_name", "kind", "verification",
        "asked_by__username", "asked_from", "address", "succeeded", "message", "ended_at",
    )  # fmt: skip

    @admin.display(description="Migration", ordering="database__migration__name")
    def migration(self, row: ReplicationRequest) -> str:
        """The migration's name."""
        return row.database.migration.name
