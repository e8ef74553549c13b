"""Django admin: history for review, people and groups for management. Nothing here changes a migration."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from migrations_app import access
from migrations_app import admin_history as history
from migrations_app import admin_logins as logins
from migrations_app import admin_order as order
from migrations_app import admin_people as people
from migrations_app import admin_replication as replication
from migrations_app import admin_tasks as tasks

__all__ = ["history", "logins", "may_enter", "order", "people", "replication", "tasks"]


def may_enter(request: HttpRequest) -> bool:
    """Let administrators of the portal in; ``is_staff`` alone does not show anything."""
    return access.may_administer(request.user)


admin.site.site_header = "PostgreSQL Migration Portal: history"
admin.site.site_title = "Migration history"
admin.site.index_title = "Who did what, when, with what result"
admin.site.site_url = None
admin.site.has_permission = may_enter  # type: ignore[method-assign]
admin.site.get_app_list = order.app_list  # type: ignore[method-assign]
