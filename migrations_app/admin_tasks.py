"""django-q2's pages. A schedule runs any dotted path and a resubmitted task runs again: superusers only."""

from __future__ import annotations

from typing import Any

import django_q.admin as django_q_admin
from django.contrib import admin
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success


class SuperuserOnly:
    """Nobody but a superuser sees or does anything here, whatever rights a group was given."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to superusers."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show rows to superusers."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A schedule is added by the portal itself."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows hold dotted paths that workers call; nobody edits them here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A superuser may remove a stuck row; the reconciler rings again."""
        return bool(request.user.is_superuser)


def restrict(model: Any, base: type[Any]) -> None:
    """Register django-q2's own page for ``model`` again, for superusers only and without its actions."""
    admin.site.unregister(model)
    page = type(f"Superuser{base.__name__}", (SuperuserOnly, base), {"actions": [], "__doc__": base.__doc__})
    admin.site.register(model, page)


restrict(Schedule, django_q_admin.ScheduleAdmin)
restrict(Success, django_q_admin.TaskAdmin)
restrict(Failure, django_q_admin.FailAdmin)
if admin.site.is_registered(OrmQ):
    restrict(OrmQ, django_q_admin.QueueAdmin)
