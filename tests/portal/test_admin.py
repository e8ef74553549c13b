"""An admin reviews history and cannot change it; manages people and cannot become more than an admin."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from migrations_app.admin_csv import cell
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
from migrations_app.services.drafts import EndpointValues
from migrations_app.services.saved_connections import connection_save
from tests.portal import sample_rows as rows
from tests.portal.sample_online import attempt, follow

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
ATTEMPT = {"failures_since_start": 3, "get_data": "", "post_data": "typed-by-mistake"}
HISTORY = (
    Migration,
    MigrationDatabase,
    TableCopy,
    MigrationEvent,
    MigrationFinding,
    VerificationResult,
    Replication,
    CutoverAttempt,
    ReplicationRequest,
    SavedConnection,
    ProcessHeartbeat,
    LogEntry,
)


@pytest.fixture
def browser(ada: User, client_of: ClientOf) -> Client:
    """Ada, an administrator."""
    return client_of(ada)


@pytest.fixture
def root(make_person: Callable[..., User], client_of: ClientOf) -> Client:
    """A superuser."""
    return client_of(make_person("root", is_superuser=True, is_staff=True))


@pytest.fixture
def history(dana: User) -> Migration:
    """One migration with everything that belongs to one."""
    migration = rows.succeeded(by=dana, verified="different")
    rows.add_findings(migration, migration.databases.get())
    add_followed(migration, dana)
    SavedConnection.objects.create(name="prod", host="db", username="x", sealed_password=rows.SECRET, created_by=dana)
    ProcessHeartbeat.objects.create(kind="worker", host="here", pid=1, seen_at=timezone.now())
    connection_save(
        None, name="billing-db", provider="OnPremises", values=EndpointValues(host="db", username="x"), actor=dana
    )
    return migration


def add_followed(migration: Migration, person: User) -> None:
    """As if its database had been followed and cut over."""
    database = migration.databases.get()
    follow(database, seconds=0)
    request = ReplicationRequest.objects.create(database=database, kind="cutover", asked_by=person, address="10.1.2.3")
    attempt(database, result="done", request=request)


def url_of(model: Any, page: str, *args: object) -> str:
    """The address of an admin page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", HISTORY)
@pytest.mark.usefixtures("history")
def test_history_is_listed_searched_shown_and_never_changed(browser: Client, root: Client, model: Any) -> None:
    row = model.objects.first()
    listed = browser.get(url_of(model, "changelist"), {"q": "billing"} if model is not ProcessHeartbeat else {})
    assert listed.status_code == 200
    shown = browser.get(url_of(model, "change", row.pk))
    assert shown.status_code == 200
    for html in (listed.content, shown.content):
        assert b"sealed-password" not in html
        assert b'name="_save"' not in html
    for who in (browser, root):
        assert who.get(url_of(model, "add")).status_code == 403
        assert who.post(url_of(model, "change", row.pk), {"name": "x"}).status_code == 403
        assert who.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert "delete_selected" not in browser.get(url_of(model, "changelist")).content.decode()
    assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", HISTORY)
@pytest.mark.usefixtures("history")
def test_a_list_costs_the_same_for_many_rows(browser: Client, dana: User, model: Any) -> None:
    url = url_of(model, "changelist")
    browser.get(url)
    with CaptureQueriesContext(connection) as few:
        browser.get(url)
    for number in range(3):
        more = rows.succeeded(f"more-{number}", by=dana)
        rows.add_findings(more, None)
        add_followed(more, dana)
        connection_save(
            None,
            name=f"kept-{number}",
            provider="OnPremises",
            values=EndpointValues(host="d", username="x"),
            actor=dana,
        )
        SavedConnection.objects.create(name=f"more-{number}", host="db", created_by=dana)
        ProcessHeartbeat.objects.create(kind="worker", host="here", pid=number + 2, seen_at=timezone.now())
    with CaptureQueriesContext(connection) as many:
        browser.get(url)
    assert len(many) <= len(few) + 1


@pytest.mark.parametrize("model", HISTORY)
@pytest.mark.usefixtures("history")
def test_history_is_exported_as_csv(browser: Client, model: Any) -> None:
    keys = list(model.objects.values_list("pk", flat=True))
    response: Any = browser.post(url_of(model, "changelist"), {"action": "export_csv", "_selected_action": keys})
    assert response.streaming
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    table = list(csv.reader(io.StringIO(text)))
    assert len(table) == len(keys) + 1
    assert len(set(map(len, table))) == 1
    assert "sealed-password" not in text
    assert ".csv" in response["Content-Disposition"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_numbers_stay_numbers_and_times_are_utc() -> None:
    assert cell(-5) == -5
    assert cell(None) == ""
    assert cell(datetime(2026, 1, 2, 3, 4, tzinfo=ZoneInfo("Europe/Berlin"))) == "2026-01-02T02:04:00+00:00"


def test_only_administrators_enter(
    client: Client, dana: User, lee: User, make_person: Callable[..., User], client_of: ClientOf
) -> None:
    staff = make_person("staff", group="Viewers", is_staff=True)
    for who in (client, client_of(dana), client_of(lee), client_of(staff)):
        assert who.get(reverse("admin:index")).status_code == 302
        assert who.get(url_of(MigrationEvent, "changelist")).status_code == 302
    without_staff = make_person("zoe", group="Administrators")
    assert client_of(without_staff).get(reverse("admin:index")).status_code == 200


def test_the_admin_leads_back_to_the_portal(browser: Client) -> None:
    html = browser.get(reverse("admin:index")).content.decode()
    assert "PostgreSQL Migration Portal: history" in html
    assert 'href="/">Back to the portal' in html


def test_a_migration_leads_to_its_own_history(browser: Client, dana: User, history: Migration) -> None:
    rows.add_event(rows.succeeded("other", by=dana), "Somewhere else.")
    html = browser.get(url_of(Migration, "change", history.pk)).content.decode()
    links = [unescape(link) for link in re.findall(r'href="([^"]+id__exact=[^"]+)"', html)]
    assert len(links) == 7
    for link in links:
        response = browser.get(link)
        assert response.status_code == 200
        assert "Somewhere else." not in response.content.decode()
    assert browser.get(browser_link(html, "View on site"), follow=True).status_code == 200


def browser_link(html: str, words: str) -> str:
    """The address behind a link."""
    found = re.search(rf'href="([^"]+)"[^>]*>{words}<', html)
    assert found
    return found.group(1)


def test_an_administrator_manages_people(browser: Client, dana: User) -> None:
    group = Group.objects.get(name="Viewers")
    url = url_of(User, "change", dana.pk)
    form = {
        "username": "dana",
        "groups": [group.pk],
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "0:0",
    }
    assert browser.post(url, form).status_code == 302
    assert list(dana.groups.all()) == [group]
    added = {"username": "new", "password1": "long enough 12", "password2": "long enough 12", "usable_password": "true"}
    assert browser.post(url_of(User, "add"), added).status_code == 302
    assert User.objects.filter(username="new").exists()


def test_an_administrator_does_not_become_a_superuser(browser: Client, ada: User) -> None:
    form = {"username": "ada", "is_active": "on", "is_superuser": "on", "is_staff": "on", "user_permissions": ["1"]}
    browser.post(url_of(User, "change", ada.pk), form | {"date_joined_0": "2026-01-01", "date_joined_1": "0:0"})
    ada.refresh_from_db()
    assert not ada.is_superuser
    assert not ada.user_permissions.exists()


def test_an_administrator_does_not_touch_a_superuser(browser: Client, make_person: Callable[..., User]) -> None:
    root = make_person("root", is_superuser=True)
    before = root.password
    for url in (url_of(User, "change", root.pk), reverse("admin:auth_user_password_change", args=[root.pk])):
        form = {"username": "root", "password1": "long enough 12", "password2": "long enough 12"}
        assert browser.post(url, form).status_code == 403
    assert browser.post(url_of(User, "delete", root.pk), {"post": "yes"}).status_code == 403
    root.refresh_from_db()
    assert root.password == before


def test_an_administrator_gives_away_no_right_beyond_their_own(browser: Client) -> None:
    schedule = Permission.objects.get(codename="add_schedule")
    viewers = Group.objects.get(name="Viewers")
    response = browser.post(url_of(Group, "change", viewers.pk), {"name": "Viewers", "permissions": [schedule.pk]})
    assert response.status_code == 200
    assert schedule not in viewers.permissions.all()


def test_groups_that_pages_ask_for_stay(browser: Client, root: Client) -> None:
    operators = Group.objects.get(name="Operators")
    for who in (browser, root):
        assert who.post(url_of(Group, "delete", operators.pk), {"post": "yes"}).status_code == 403


def test_people_with_a_history_are_deactivated_not_deleted(browser: Client, root: Client, history: Migration) -> None:
    dana = User.objects.get(username="dana")
    for who in (browser, root):
        assert who.post(url_of(User, "delete", dana.pk), {"post": "yes"}).status_code == 403
    event = MigrationEvent.objects.filter(migration=history, actor=dana).first()
    assert event is not None


def test_somebody_who_only_kept_a_server_has_a_history_too(root: Client, lee: User) -> None:
    connection_save(None, name="kept", provider="OnPremises", values=EndpointValues(host="db", username="x"), actor=lee)
    assert root.post(url_of(User, "delete", lee.pk), {"post": "yes"}).status_code == 403
    assert LogEntry.objects.filter(user=lee, object_repr="kept").exists()


def test_an_administrator_joins_no_group_with_more_rights(browser: Client, root: Client, ada: User) -> None:
    beyond = Group.objects.create(name="Schedulers")
    beyond.permissions.add(Permission.objects.get(codename="add_schedule"))
    administrators = Group.objects.get(name="Administrators")
    form = {"username": "ada", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "0:0"}
    form |= {"groups": [administrators.pk, beyond.pk]}
    url = url_of(User, "change", ada.pk)
    assert browser.post(url, form).status_code == 200
    assert list(ada.groups.all()) == [administrators]
    assert "Schedulers" not in browser.get(url).content.decode()
    assert root.post(url, form).status_code == 302
    assert beyond in ada.groups.all()


@pytest.mark.parametrize("model", [AccessAttempt, AccessLog])
def test_logins_are_looked_at_and_not_changed(browser: Client, root: Client, model: Any) -> None:
    row = model.objects.create(username="dana", ip_address="10.1.2.3", **ATTEMPT if model is AccessAttempt else {})
    for who in (browser, root):
        assert "dana" in who.get(url_of(model, "changelist")).content.decode()
        shown = who.get(url_of(model, "change", row.pk)).content.decode()
        assert 'name="_save"' not in shown
        assert "typed-by-mistake" not in shown
        assert who.post(url_of(model, "change", row.pk), {"username": "x"}).status_code == 403
        assert who.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_migrations_stand_first_and_logins_with_the_people(root: Client) -> None:
    apps = root.get(reverse("admin:index")).context["app_list"]
    assert [app["name"] for app in apps[:2]] == ["Migrations", "People"]
    assert apps[0]["models"][0]["object_name"] == "Migration"
    assert "LogEntry" in [model["object_name"] for model in apps[0]["models"]]
    assert "AccessAttempt" in [model["object_name"] for model in apps[1]["models"]]


def test_the_admin_has_no_login_and_no_password_form_of_its_own(
    client: Client, browser: Client, dana: User, client_of: ClientOf
) -> None:
    history = f"{reverse('admin:login')}?next={url_of(Migration, 'changelist')}"
    assert client.get(history)["Location"] == f"{reverse('login')}?next={url_of(Migration, 'changelist')}"
    assert browser.get(history)["Location"] == url_of(Migration, "changelist")
    assert client_of(dana).get(history).status_code == 403
    assert browser.get(reverse("admin:password_change"))["Location"] == reverse("password_change")


def test_schedules_run_code_so_nobody_writes_them_here(browser: Client, root: Client) -> None:
    schedule = Schedule.objects.create(func="math.sqrt", args="4")
    assert browser.get(url_of(Schedule, "changelist")).status_code == 403
    assert root.get(url_of(Schedule, "changelist")).status_code == 200
    for who in (browser, root):
        assert who.get(url_of(Schedule, "add")).status_code == 403
        assert who.post(url_of(Schedule, "change", schedule.pk), {"func": "os.system"}).status_code == 403
    schedule.refresh_from_db()
    assert schedule.func == "math.sqrt"


def test_no_admin_page_runs_a_task_again() -> None:
    for model, page in admin.site._registry.items():
        if model._meta.app_label == "django_q":
            assert page.actions == []
