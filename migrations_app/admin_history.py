"""History: migrations and everything that belongs to them, to look at, to search and to export."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from migrations_app.access import may_administer
from migrations_app.admin_readonly import HistoryAdmin, HistoryInline
from migrations_app.models import (
    CutoverAttempt,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    MigrationFinding,
    ProcessHeartbeat,
    Replication,
    ReplicationRequest,
    SavedConnection,
    TableCopy,
    VerificationResult,
)
from migrations_app.selectors.migration_page import SECRET_COLUMNS


class DatabaseInline(HistoryInline):
    """The databases of a migration."""

    model = MigrationDatabase
    fields = ("source_name", "target_name", "state", "verified", "bytes_done", "rows_done", "tables_done", "error")


@admin.register(Migration)
class MigrationAdmin(HistoryAdmin):
    """All migrations."""

    list_display = ("name", "state", "mode", "option", "source", "target", "created_by", "created_at", "ended_at")
    list_filter = ("state", "mode", "option", "source_type", "created_by")
    list_select_related = ("source", "target", "created_by")
    search_fields = ("name", "source__host", "target__host", "databases__source_name", "created_by__username", "error")
    date_hierarchy = "created_at"
    inlines = [DatabaseInline]
    readonly_fields = ("history",)
    export_fields = (
        "id", "name", "state", "substate", "mode", "option", "source_type", "source__host", "source__port",
        "source__username", "target__host", "target__port", "target__username", "jobs", "roles", "verification",
        "created_by__username", "created_at", "started_at", "ended_at", "error", "error_hint",
    )  # fmt: skip

    def view_on_site(self, migration: Migration) -> str:
        """The migration's own page."""
        return reverse("migration", args=[migration.pk])

    def get_queryset(self, request: Any) -> Any:
        """Leave everything secret in the database."""
        return super().get_queryset(request).defer(*SECRET_COLUMNS)

    @admin.display(description="History")
    def history(self, migration: Migration) -> SafeString:
        """Links to the rows of this migration."""
        parts = ((MigrationEvent, "migration"), (MigrationFinding, "migration"), (TableCopy, "database__migration"))
        links = [_list_link(model, **{f"{field}__id__exact": migration.pk}) for model, field in parts]
        models: tuple[type[Model], ...] = (VerificationResult, Replication, CutoverAttempt, ReplicationRequest)
        links += [_list_link(model, database__migration__id__exact=migration.pk) for model in models]
        return format_html(" · ".join(["{}"] * len(links)), *links)


@admin.register(MigrationDatabase)
class MigrationDatabaseAdmin(HistoryAdmin):
    """All databases of all migrations."""

    list_display = (
        "source_name",
        "target_name",
        "migration",
        "state",
        "verified",
        "bytes_done",
        "rows_done",
        "ended_at",
    )
    list_filter = ("state", "verified", "overwrite")
    list_select_related = ("migration",)
    search_fields = ("source_name", "target_name", "migration__name", "error")
    date_hierarchy = "started_at"
    export_fields = (
        "migration__name", "source_name", "target_name", "state", "verified", "overwrite", "bytes_total", "bytes_done",
        "rows_done", "tables_total", "tables_done", "indexes_total", "indexes_done", "started_at", "ended_at", "error",
        "on_target",
    )  # fmt: skip


@admin.register(TableCopy)
class TableCopyAdmin(HistoryAdmin):
    """All tables that were copied."""

    list_display = (
        "name",
        "schema",
        "database",
        "migration",
        "state",
        "bytes_done",
        "rows_done",
        "started_at",
        "ended_at",
    )
    list_filter = ("state",)
    list_select_related = ("database__migration",)
    search_fields = ("schema", "name", "database__source_name", "database__migration__name")
    date_hierarchy = "started_at"
    export_fields = (
        "database__migration__name", "database__source_name", "schema", "name", "state", "bytes_total", "bytes_done",
        "rows_estimate", "rows_done", "parts_total", "parts_done", "started_at", "ended_at", "error",
    )  # fmt: skip

    @admin.display(description="Migration", ordering="database__migration__name")
    def migration(self, table: TableCopy) -> str:
        """The migration's name."""
        return table.database.migration.name


@admin.register(MigrationEvent)
class MigrationEventAdmin(HistoryAdmin):
    """Who did what, when, from where; and what happened then."""

    list_display = ("at", "migration", "short_message", "actor", "address", "kind", "level")
    list_display_links = ("at", "short_message")
    list_filter = ("kind", "level", "to_state", ("actor", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("migration", "database", "actor")
    search_fields = ("message", "migration__name", "actor__username", "address")
    date_hierarchy = "at"
    export_fields = (
        "at", "migration__name", "database__source_name", "kind", "level", "message", "actor__username", "address",
        "from_state", "to_state",
    )  # fmt: skip

    @admin.display(description="What", ordering="message")
    def short_message(self, event: MigrationEvent) -> str:
        """The first line of the message."""
        return _short(event.message)


@admin.register(MigrationFinding)
class MigrationFindingAdmin(HistoryAdmin):
    """Everything that was found."""

    list_display = ("code", "level", "side", "subject", "short_saw", "migration", "database", "phase", "found_at")
    list_filter = ("level", "side", "phase", "code")
    list_select_related = ("migration", "database")
    search_fields = ("code", "subject", "saw", "server_message", "migration__name")
    date_hierarchy = "found_at"
    export_fields = (
        "migration__name", "database__source_name", "code", "level", "subject", "side", "saw", "why", "fix", "fix_sql",
        "statement", "server_message", "phase", "found_at",
    )  # fmt: skip

    @admin.display(description="What we saw", ordering="saw")
    def short_saw(self, finding: MigrationFinding) -> str:
        """The first line of what was seen."""
        return _short(finding.saw)


@admin.register(VerificationResult)
class VerificationResultAdmin(HistoryAdmin):
    """Every comparison of source and target."""

    list_display = ("object_class", "name", "result", "database", "migration", "source", "target", "verified_at")
    list_filter = ("result", "object_class")
    list_select_related = ("database__migration",)
    search_fields = ("name", "detail", "database__source_name", "database__migration__name")
    date_hierarchy = "verified_at"
    export_fields = (
        "database__migration__name", "database__source_name", "object_class", "name", "result", "source", "target",
        "detail", "verified_at",
    )  # fmt: skip

    @admin.display(description="Migration", ordering="database__migration__name")
    def migration(self, result: VerificationResult) -> str:
        """The migration's name."""
        return result.database.migration.name


@admin.register(SavedConnection)
class SavedConnectionAdmin(HistoryAdmin):
    """Saved servers. The password is never read; only whether there is one."""

    list_display = ("name", "provider", "host", "port", "username", "sslmode", "created_by", "tested_at")
    list_filter = ("provider", "sslmode")
    list_select_related = ("created_by",)
    search_fields = ("name", "host", "username")
    date_hierarchy = "created_at"
    fields = (
        "name", "provider", "host", "port", "username", "has_password", "sslmode", "ca_certificate",
        "maintenance_database", "facts", "tested_at", "created_by", "created_at",
    )  # fmt: skip
    readonly_fields = ("has_password",)
    export_fields = (
        "name", "provider", "host", "port", "username", "sslmode", "maintenance_database", "created_by__username",
        "created_at", "tested_at",
    )  # fmt: skip

    @admin.display(description="Password stored", boolean=True)
    def has_password(self, connection: SavedConnection) -> bool:
        """Whether a password is stored, sealed."""
        return bool(connection.sealed_password)


@admin.register(ProcessHeartbeat)
class ProcessHeartbeatAdmin(HistoryAdmin):
    """Processes of the portal, and when each was last alive."""

    list_display = ("kind", "host", "pid", "seen_at")
    list_filter = ("kind", "host")
    date_hierarchy = "seen_at"
    export_fields = ("kind", "host", "pid", "seen_at")


@admin.register(LogEntry)
class LogEntryAdmin(HistoryAdmin):
    """Who changed saved servers, people and groups, and who discarded drafts: what leaves no migration behind."""

    list_display = ("action_time", "user", "what_was_done", "content_type", "object_repr", "what")
    list_display_links = ("action_time", "object_repr")
    list_filter = ("action_flag", "content_type", ("user", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__username")
    date_hierarchy = "action_time"
    fields = ("action_time", "user", "action_flag", "content_type", "object_id", "object_repr", "what")
    readonly_fields = ("what",)
    export_fields = (
        "action_time", "user__username", "action_flag", "content_type__model", "object_id", "object_repr",
        "change_message",
    )  # fmt: skip

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        """Whoever may enter the history may see this part of it."""
        return may_administer(request.user)

    def has_module_permission(self, request: Any) -> bool:
        """Show the section to whoever may see the rows."""
        return may_administer(request.user)

    @admin.display(description="Action", ordering="action_flag")
    def what_was_done(self, entry: LogEntry) -> str:
        """Added, changed or deleted."""
        return entry.get_action_flag_display().capitalize()

    @admin.display(description="What")
    def what(self, entry: LogEntry) -> str:
        """The change in words."""
        return _short(entry.get_change_message())


def _list_link(model: type[Model], **conditions: Any) -> SafeString:
    query = "&".join(f"{name}={value}" for name, value in conditions.items())
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, query, str(model._meta.verbose_name_plural).capitalize())


def _short(text: str, *, length: int = 120) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= length else f"{line[: length - 1]}…"
