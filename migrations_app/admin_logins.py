"""Logins: who came in, and which attempts failed. To look at only; ``manage.py axes_reset`` unlocks a name."""

from __future__ import annotations

from typing import Any

import axes.admin  # noqa: F401 - registers the pages that are replaced here
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.http import HttpRequest

from migrations_app.access import may_administer
from migrations_app.admin_readonly import HistoryAdmin

COLUMNS = ("username", "ip_address", "user_agent", "path_info")


class LoginAdmin(HistoryAdmin):
    """Rows of django-axes, without what was typed."""

    list_filter = ("attempt_time",)
    search_fields = ("username", "ip_address")
    date_hierarchy = "attempt_time"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to whoever may see the rows."""
        return may_administer(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may enter the history may see this part of it."""
        return may_administer(request.user)


def replace(model: Any, *more: str) -> None:
    """Register a page that only shows, in place of the package's own."""
    if not admin.site.is_registered(model):
        return
    admin.site.unregister(model)
    columns = ("attempt_time", *COLUMNS, *more)
    looks = {"list_display": columns, "fields": columns, "readonly_fields": columns, "export_fields": columns}
    admin.site.register(model, type(f"{model.__name__}Admin", (LoginAdmin,), looks))


replace(AccessAttempt, "failures_since_start")
replace(AccessLog, "logout_time")
replace(AccessFailureLog, "locked_out")
