"""Three groups, three questions."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import call_command

from migrations_app.access import may_administer, may_operate, may_view


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("Viewers", (True, False, False)),
        ("Operators", (True, True, False)),
        ("Administrators", (True, True, True)),
        (None, (False, False, False)),
    ],
)
def test_what_each_group_may_do(group: str | None, expected: tuple[bool, bool, bool]) -> None:
    user = User.objects.create_user("somebody")
    if group:
        user.groups.add(Group.objects.get(name=group))
    assert (may_view(user), may_operate(user), may_administer(user)) == expected


@pytest.mark.django_db
def test_people_who_left_may_nothing() -> None:
    user = User.objects.create_user("gone", is_active=False, is_superuser=True)
    assert not may_view(user)
    assert not may_view(AnonymousUser())


@pytest.mark.django_db
def test_an_administrator_manages_people_and_only_looks_at_history() -> None:
    names = set(Group.objects.get(name="Administrators").permissions.values_list("codename", flat=True))
    assert {"add_user", "change_user", "view_migrationevent"} <= names
    assert not {"change_migration", "delete_migrationevent", "add_schedule", "view_ormq"} & names


@pytest.mark.django_db
def test_permissions_that_were_added_stay() -> None:
    extra = Permission.objects.get(codename="view_user")
    Group.objects.get(name="Viewers").permissions.add(extra)
    call_command("migrate", verbosity=0)
    assert extra in Group.objects.get(name="Viewers").permissions.all()
