"""Who may do what: three groups, made with the schema, and three questions about a user."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Q

VIEWERS = "Viewers"
OPERATORS = "Operators"
ADMINISTRATORS = "Administrators"

VIEW_ROWS = Q(content_type__app_label="migrations_app", codename__startswith="view_")
OPERATE = Q(content_type__app_label="migrations_app", codename="operate_migration")
SAVED_CONNECTIONS = Q(
    content_type__app_label="migrations_app", codename__in=("add_savedconnection", "change_savedconnection")
)
ADMINISTER = Q(content_type__app_label="migrations_app", codename__in=("administer_portal", "delete_savedconnection"))
PEOPLE = Q(content_type__app_label="auth", content_type__model__in=("user", "group")) | Q(codename="view_permission")

PERMISSIONS = {
    VIEWERS: VIEW_ROWS,
    OPERATORS: VIEW_ROWS | OPERATE | SAVED_CONNECTIONS,
    ADMINISTRATORS: VIEW_ROWS | OPERATE | SAVED_CONNECTIONS | ADMINISTER | PEOPLE,
}

Person = User | AnonymousUser


def may_view(user: Person) -> bool:
    """Tell whether ``user`` may look at migrations, findings and reports."""
    return _has(user, "migrations_app.view_migration")


def may_operate(user: Person) -> bool:
    """Tell whether ``user`` may create, start, resume and cancel migrations."""
    return _has(user, "migrations_app.operate_migration")


def may_administer(user: Person) -> bool:
    """Tell whether ``user`` may manage people and settings of the portal."""
    return _has(user, "migrations_app.administer_portal")


def create_groups(sender: AppConfig, *, using: str = "default", **kwargs: Any) -> None:
    """Create the three groups with their permissions; connected to ``post_migrate``.

    Permissions that an administrator added to a group are kept.
    """
    from django.apps import apps

    # post_migrate runs in the order of INSTALLED_APPS, so the permissions may not exist yet.
    for label in ("auth", "contenttypes", "migrations_app", "django_q"):
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    for name, condition in PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(*Permission.objects.using(using).filter(condition))


def _has(user: Person, permission: str) -> bool:
    return bool(user.is_active and user.has_perm(permission))
