"""In a real browser: pages live without disturbing the person who reads, types or opens something in them."""

from __future__ import annotations

import re

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Page, expect

from migrations_app.models import Migration, MigrationDatabase, MigrationFinding, State
from tests.acceptance.browser import Visitor
from tests.portal import sample_rows as rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def bump(migration: Migration, **fields: object) -> None:
    """Change a migration as the portal does: its revision grows."""
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1, **fields)


def open_page(visitor: Visitor, migration: Migration, *, tab: str = "progress") -> Page:
    """Open a side of a migration."""
    visitor.page.goto(f"{visitor.base}/migrations/{migration.pk}/?tab={tab}")
    return visitor.page


def test_rows_of_the_dashboard_change_in_place_and_keep_the_focus(visitor: Visitor) -> None:
    shop, _ = rows.running("shop"), rows.failed("crm")
    page = visitor.page
    page.goto(visitor.base)
    link = page.locator(f"#a-{shop.pk.hex}")
    link.focus()
    before = page.locator("table.migrations tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    MigrationDatabase.objects.filter(migration=shop).update(bytes_done=F("bytes_total") * 0.9)
    bump(shop)
    expect(page.locator(f"#m-{shop.pk.hex} .phase")).to_contain_text("90 %", timeout=15_000)
    expect(link).to_be_focused()
    assert page.locator("table.migrations tbody tr").evaluate_all("rows => rows.map(row => row.id)") == before


def test_typing_into_the_filter_is_not_disturbed(visitor: Visitor) -> None:
    shop = rows.running("shop")
    page = open_page(visitor, shop)
    field = page.locator("#table-text")
    field.fill("cust")
    expect(page.locator("table.tables tbody tr")).to_have_count(2)
    field.press_sequentially("omers_")
    MigrationDatabase.objects.filter(migration=shop).update(tables_done=6)
    bump(shop)
    expect(page.locator(".status-line")).to_contain_text("Copying 6 of 12 tables", timeout=15_000)
    expect(field).to_have_value("customers_")
    expect(field).to_be_focused()
    expect(page.locator("table.tables tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=customers_"))


def test_what_is_open_stays_open(visitor: Visitor) -> None:
    shop = rows.running("shop")
    rows.add_findings(shop, shop.databases.get())
    page = open_page(visitor, shop, tab="findings")
    opened = MigrationFinding.objects.get(code="PM0031")
    finding = page.locator(f"#finding-{opened.pk}")
    finding.locator("summary").first.click()
    page.locator("#actions summary").click()
    rows.add_findings(shop, None)
    bump(shop)
    expect(page.locator("#findings details.finding")).to_have_count(8, timeout=15_000)
    expect(page.locator("#count-findings")).to_have_text("8")
    expect(finding).to_have_attribute("open", "")
    expect(page.locator("#actions details")).to_have_attribute("open", "")


def test_events_arrive_on_top_and_the_end_stops_the_poll(visitor: Visitor) -> None:
    shop = rows.running("shop")
    page = open_page(visitor, shop, tab="events")
    rows.add_event(shop, "Something happened.")
    bump(shop)
    expect(page.locator("#events > li").first).to_contain_text("Something happened.", timeout=15_000)
    bump(shop, state=State.FAILED, ended_at=timezone.now(), error="The source went away.")
    expect(page.locator("#live h2")).to_have_text("The source went away.", timeout=15_000)
    expect(page.get_by_role("button", name="Resume migration")).to_be_visible()
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.wait_for_timeout(4500)
    assert polls == []


def test_a_poll_that_finds_nothing_says_so_once_and_stops(visitor: Visitor) -> None:
    shop = rows.running("shop")
    page = open_page(visitor, shop)
    Migration.objects.filter(pk=shop.pk).delete()
    expect(page.locator("#toast")).to_contain_text("This is gone.", timeout=15_000)
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.wait_for_timeout(4500)
    assert polls == []
    assert [words for words in visitor.complaints if "404" not in words] == []
    visitor.complaints.clear()


def test_the_focus_stays_on_a_pager_while_the_table_lives(visitor: Visitor) -> None:
    shop = rows.running("shop")
    rows.add_database(shop, "wide", tables=150, done=0)
    page = open_page(visitor, shop)
    link = page.locator("#tables a[rel=next]")
    link.focus()
    MigrationDatabase.objects.filter(migration=shop, source_name="shop").update(tables_done=6)
    bump(shop)
    expect(page.locator(".status-line")).to_contain_text("Copying 6 of", timeout=15_000)
    expect(link).to_be_focused()
