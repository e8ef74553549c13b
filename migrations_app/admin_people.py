"""People and groups, managed by Administrators, who cannot make themselves more than that."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest

from migrations_app.access import ADMINISTRATORS, PERMISSIONS
from migrations_app.models import Migration, MigrationEvent

SUPERUSER_FIELDS = ("is_staff", "is_superuser", "user_permissions")

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """Who may log in. People with a history are deactivated, never deleted, so that events keep their actor."""

    list_display = ("username", "first_name", "last_name", "email", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active", "is_superuser")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the groups with the people."""
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="Groups")
    def roles(self, person: User) -> str:
        """The groups of a person; without one they see nothing."""
        names = [group.name for group in person.groups.all()]
        return ", ".join(["Superuser"] * person.is_superuser + names) or "in no group yet"

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """An administrator hands out no group with rights beyond the group Administrators, to themselves neither."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "groups" and not request.user.is_superuser:
            beyond = Permission.objects.exclude(pk__in=Permission.objects.filter(PERMISSIONS[ADMINISTRATORS]))
            field.queryset = Group.objects.exclude(permissions__in=beyond)
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only superusers hand out what goes beyond the three groups."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else fields + SUPERUSER_FIELDS

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """An administrator does not take over a superuser's account."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Somebody who acted stays in the history; untick Active instead."""
        if obj is not None and (not self.has_change_permission(request, obj) or has_history(obj)):
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Groups. An administrator gives away only rights of the group Administrators."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        """Offer only what the viewer may give."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if isinstance(field, ModelMultipleChoiceField) and request is not None and not request.user.is_superuser:
            field.queryset = Permission.objects.filter(PERMISSIONS[ADMINISTRATORS]).select_related("content_type")
        return field

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """A group with further rights is a superuser's."""
        if obj is not None and not request.user.is_superuser and goes_beyond_administrators(obj):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """The three groups of the portal stay: pages ask for them."""
        if obj is not None and (obj.name in PERMISSIONS or not self.has_change_permission(request, obj)):
            return False
        return super().has_delete_permission(request, obj)


def has_history(person: User) -> bool:
    """Tell whether somebody made a migration or acted on one."""
    return (
        MigrationEvent.objects.filter(actor=person).exists()
        or Migration.objects.filter(created_by=person).exists()
        or LogEntry.objects.filter(user=person).exists()
    )


def goes_beyond_administrators(group: Group) -> bool:
    """Tell whether a group has a right that Administrators do not have."""
    given = Permission.objects.filter(group=group)
    return given.exclude(Q(pk__in=Permission.objects.filter(PERMISSIONS[ADMINISTRATORS]))).exists()
