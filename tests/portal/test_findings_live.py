"""In a real browser: filter, copy, accept and take back, while the list lives and stays as one left it."""

from __future__ import annotations

import re

import pytest
from django.db.models import F
from playwright.sync_api import expect

from migrations_app.models import Migration, MigrationFinding, State, Substate
from tests.acceptance.browser import Visitor
from tests.portal import sample_rows as rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def waiting(name: str = "geo-data") -> Migration:
    """A migration that waits for its warnings."""
    migration = rows.validation_failed(name)
    migration.findings.update(phase="validation")
    migration.findings.filter(level="Failed").update(level="Warning")
    values = {"state": State.WAITING_FOR_USER, "substate": Substate.WAITING_FOR_ACCEPTANCE, "at_warnings": "wait"}
    Migration.objects.filter(pk=migration.pk).update(ended_at=None, error="", error_hint="", **values)
    return migration


def add(migration: Migration, subject: str) -> MigrationFinding:
    """Find something more, as a check does."""
    found = MigrationFinding.objects.create(
        migration=migration, code="PM2042", level="Info", subject=subject, saw="seen", phase="validation"
    )
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1)
    return found


def test_filter_copy_accept_and_take_back(visitor: Visitor) -> None:
    migration = waiting()
    page, batch = visitor.page, migration.findings.get(code="PM0031")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{visitor.base}/migrations/{migration.pk}/")
    expect(page.get_by_text("3 warnings to accept before the migration goes on")).to_be_visible()
    visitor.picture("findings-waiting")

    page.locator("#findings-text").fill("batch")
    expect(page.locator("details.finding")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=batch"))
    line = page.locator(f"#finding-{batch.pk}")
    line.locator("summary").first.click()
    line.get_by_role("button", name="Copy fix script").click()
    expect(page.locator("#toast")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == batch.fix_sql

    line.get_by_text("Accept this warning…").click()
    line.get_by_label("Why it may stay as it is").fill("New ones are set on Monday.")
    visitor.picture("findings-accepting")
    line.get_by_role("button", name="Accept Role batch").click()
    expect(line.get_by_text("by dana: New ones are set on Monday.")).to_be_visible()
    expect(page.locator("#findings-text")).to_have_value("batch")
    expect(page.locator("details.finding")).to_have_count(1)
    line.get_by_role("button", name="Take acceptance back").click()
    expect(line.get_by_text("Accept this warning…")).to_be_visible()

    page.locator("#findings-text").fill("")
    expect(page.locator("details.finding")).to_have_count(4)
    page.locator("#group-level").click()
    expect(page.locator("details.finding-group")).to_have_count(3)
    visitor.picture("findings-by-level")
    page.locator("#go-on summary").click()
    page.locator("#go-on-reason").fill("The window ends at six.")
    page.get_by_role("button", name="Accept all and go on").click()
    expect(page.locator(".status-line")).to_contain_text("Waiting for a worker.")
    assert all("unsafe-inline" not in policy for policy in visitor.policies)


def test_what_is_open_folded_or_typed_stays_while_the_list_lives(visitor: Visitor) -> None:
    migration = waiting()
    page, batch = visitor.page, migration.findings.get(code="PM0031")
    page.goto(f"{visitor.base}/migrations/{migration.pk}/?tab=findings")
    line = page.locator(f"#finding-{batch.pk}")
    line.locator("summary").first.click()
    database = page.locator("details.finding-group").nth(1)
    database.locator("summary").first.click()
    new = add(migration, "Table a")
    expect(page.locator(f"#finding-{new.pk}")).to_be_visible(timeout=15_000)
    expect(line).to_have_attribute("open", "")
    assert database.get_attribute("open") is None

    line.get_by_text("Accept this warning…").click()
    field = line.get_by_label("Why it may stay as it is")
    field.fill("Because")
    add(migration, "Table b")
    expect(page.locator("#findings-stale")).to_be_visible(timeout=15_000)
    expect(field).to_have_value("Because")
    expect(field).to_be_focused()
    field.press("Enter")
    expect(line.get_by_text("by dana: Because")).to_be_visible()
    expect(page.locator("#findings-stale")).to_be_hidden()
    expect(page.get_by_text("Table b", exact=True)).to_be_visible()


def test_pictures_of_a_validation(visitor: Visitor) -> None:
    migration = rows.validation_failed("validate-crm")
    migration.findings.update(phase="validation")
    Migration.objects.filter(pk=migration.pk).update(option="Validate")
    visitor.page.goto(f"{visitor.base}/migrations/{migration.pk}/")
    expect(visitor.page.locator(".status-line")).to_contain_text("1 reason why it would fail")
    visitor.picture("validation")
    visitor.page.goto(f"{visitor.base}/?show=waiting")
    waiting()
    visitor.page.reload()
    expect(visitor.page.get_by_text("3 warnings to accept")).to_be_visible()
    visitor.picture("dashboard-warnings")
