"""An admin page that shows rows and changes nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from migrations_app.admin_csv import export_csv

OF_MIGRATION = ("migration__id__exact", "database__migration__id__exact")


class LookOnly:
    """No adding, changing or deleting, for anybody."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes history."""
        return False


class HistoryAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only list with CSV export. ``export_fields`` are lookups from the row."""

    export_fields: ClassVar[tuple[str, ...]] = ("pk",)
    actions = [export_csv]
    show_full_result_count = False
    list_per_page = 100

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let links of a migration narrow other lists to it."""
        return lookup in OF_MIGRATION or super().lookup_allowed(lookup, value, request)


class HistoryInline(LookOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Read-only rows below another row."""

    extra = 0
    can_delete = False
    show_change_link = True
