"""What was changed on one side only: told on the Replication side, and applied to the target when a person asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from migrations_app.engine.findings import Level, ScriptUse
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.models import Migration, MigrationEvent, MigrationFinding, Replication, ReplicationRequest
from tests.portal.page_reading import page_of, words
from tests.portal.sample_online import online
from tests.portal.test_replication import ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    return client_of(dana)


@pytest.fixture
def viewer(client_of: Callable[[User], Client], lee: User) -> Client:
    return client_of(lee)


def difference(migration: Migration, **fields: Any) -> MigrationFinding:
    values = {
        "code": "PM4033",
        "level": Level.FAILED,
        "subject": "table public.orders",
        "saw": "The column note is only on the source.",
        "fix": "Apply the script to the target, or take the change back on the source.",
        "fix_sql": "ALTER TABLE public.orders ADD COLUMN note text;",
        "script_use": ScriptUse.NOW,
    }
    database = migration.databases.get()
    return MigrationFinding.objects.create(migration=migration, database=database, **(values | fields))


def test_a_difference_is_told_with_its_script_and_applied_when_asked(browser: Client, viewer: Client) -> None:
    migration = online()
    difference(migration)
    html = page_of(browser, migration)
    assert "1 difference between source and target to resolve" in words(html)
    assert "ADD COLUMN note text" in html and "Apply this to the target" in html and "hx-preserve" in html
    assert "Apply this to the target" not in page_of(viewer, migration)
    text = ask(browser, migration, "mend", database="shop", subject="table public.orders")
    request = ReplicationRequest.objects.get()
    assert (request.kind, request.subject) == (RequestKind.MEND.value, "table public.orders")
    assert "Asked" in text and "by dana" in text
    assert "table public.orders" in MigrationEvent.objects.filter(actor__isnull=False).latest("pk").message


def test_a_lead_sees_that_definitions_differ(browser: Client) -> None:
    """A subscription that stumbles over a new column is no error to look for in a log."""
    migration = online()
    Replication.objects.update(state=ApplyState.BROKEN.value, error="The worker ended with an error 2 times.")
    difference(migration)
    dashboard = words(browser.get("/").content.decode())
    assert "Definitions differ" in dashboard and "1 difference to resolve before the cutover" in dashboard
    assert "Replication stopped" not in dashboard
    html = page_of(browser, migration)
    assert "It goes on when both sides are alike again." in words(html) and 'id="continue"' not in html


def test_a_new_table_hides_neither_an_error_nor_how_to_go_on(browser: Client) -> None:
    """It keeps nothing from being applied: what stopped is told, and a person who paused it can continue."""
    migration = online()
    Replication.objects.update(state=ApplyState.BROKEN.value, error="A row is there already.")
    difference(migration, code="PM4037", subject="table public.fresh")
    assert "Replication stopped" in words(browser.get("/").content.decode())
    html = page_of(browser, migration)
    assert "A row is there already." in html and 'id="continue"' in html


def test_a_pause_by_a_person_is_ended_by_a_person(browser: Client) -> None:
    migration = online()
    difference(migration)
    Replication.objects.update(state=ApplyState.PAUSED.value)
    assert 'id="continue"' not in page_of(browser, migration)
    asked = {"database": migration.databases.get(), "ended_at": timezone.now(), "succeeded": True}
    ReplicationRequest.objects.create(kind=RequestKind.PAUSE.value, **asked)
    assert 'id="continue"' in page_of(browser, migration)
    ReplicationRequest.objects.create(kind=RequestKind.CONTINUE.value, **asked)
    assert 'id="continue"' not in page_of(browser, migration)


def test_what_drops_data_is_confirmed_by_name_whatever_the_browser_sends(browser: Client) -> None:
    migration = online()
    difference(migration, fix_sql="ALTER TABLE public.orders DROP COLUMN note;", script_use=ScriptUse.CHOICE)
    assert "This drops data on the target. Type table public.orders to confirm" in words(page_of(browser, migration))
    text = ask(browser, migration, "mend", database="shop", subject="table public.orders", confirm="orders")
    assert "drops data on the target. Confirm table public.orders." in text
    assert not ReplicationRequest.objects.exists()
    ask(browser, migration, "mend", database="shop", subject="table public.orders", confirm="table public.orders")
    assert ReplicationRequest.objects.get().subject == "table public.orders"


def test_a_difference_that_is_over_cannot_be_applied(browser: Client) -> None:
    text = ask(browser, online(), "mend", database="shop", subject="table public.orders")
    assert "There is nothing to apply to the target for table public.orders." in text
    assert not ReplicationRequest.objects.exists()
