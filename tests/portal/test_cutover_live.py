"""The cutover page in a real browser: what is typed stays, the time line moves, the result arrives by itself."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from migrations_app.models import (
    CutoverStepTime,
    Migration,
    MigrationDatabase,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    State,
    Substate,
)
from tests.acceptance.browser import Visitor
from tests.portal.page_reading import bump
from tests.portal.sample_online import attempt, online

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


def test_from_ready_to_cut_over(visitor: Visitor, dana: User) -> None:
    migration = online(by=dana)
    shop = migration.databases.get()
    page = visitor.page
    page.goto(f"{visitor.base}/migrations/{migration.pk}/")
    page.get_by_role("link", name="Cut over…").click()
    expect(page.locator(".checklist")).to_contain_text("0.4 s behind")
    page.get_by_label("Type shop-online to cut over").fill("shop-onl")
    Replication.objects.update(lag_seconds=9.0)
    bump(migration)
    expect(page.locator(".checklist")).to_contain_text("9 s behind", timeout=15_000)
    expect(page.locator("#confirm-cutover")).to_have_value("shop-onl")
    page.get_by_role("button", name="Cut over shop").click()
    expect(page.locator(".problem")).to_contain_text("Type shop-online to confirm.")
    page.locator("#confirm-cutover").fill("shop-online")
    page.get_by_role("button", name="Cut over shop").click()
    expect(page.locator("#cutover")).to_contain_text("by dana: cut over. A worker begins within seconds.")
    expect(page.get_by_role("button", name="Cut over shop")).to_have_count(0)
    run_cutover(visitor, migration, shop)
    visitor.picture("cutover-done")


def run_cutover(visitor: Visitor, migration: Migration, shop: MigrationDatabase) -> None:
    """What a worker would record."""
    page = visitor.page
    MigrationDatabase.objects.update(phase=OnlinePhase.CUTTING_OVER, state=State.IN_PROGRESS)
    row = attempt(shop, result="", until=2, request=ReplicationRequest.objects.get())
    bump(migration, state=State.IN_PROGRESS, substate=Substate.COMPLETING)
    expect(page.locator(".timeline")).to_contain_text("Apply what is left", timeout=15_000)
    expect(page.locator("#cutover")).to_contain_text("No write for")
    CutoverStepTime.objects.filter(ended_at__isnull=True).update(ended_at=timezone.now(), detail="12.4 KiB were left.")
    bump(migration)
    expect(page.locator(".timeline")).to_contain_text("12.4 KiB were left.", timeout=15_000)
    now = timezone.now()
    type(row).objects.update(result="done", ended_at=now, downtime_seconds=3.21, fence_lsn=0x5A3C2F0)
    ReplicationRequest.objects.update(ended_at=now, succeeded=True)
    MigrationDatabase.objects.update(phase=OnlinePhase.CUT_OVER, state=State.SUCCEEDED, verified="identical")
    Replication.objects.update(ended_at=now)
    bump(migration, state=State.SUCCEEDED, substate=Substate.COMPLETED, ended_at=now)
    expect(page.locator(".verdict")).to_contain_text("Cut over in 3.2 s. At 0/5A3C2F0.", timeout=15_000)
    assert page.locator("#cutover").get_attribute("hx-get") is None, "nothing changes by itself any more"
