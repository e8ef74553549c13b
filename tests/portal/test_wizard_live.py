"""In a real browser: the wizard shows what it answers, and finds tables inside closed schemas."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from migrations_app.models import MigrationEndpoint
from tests.acceptance.browser import Visitor
from tests.portal import sample_rows as rows
from tests.portal.wizard_steps import step_url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def start_wizard(visitor: Visitor) -> Page:
    """Open the step in which one says where the database is."""
    page, draft = visitor.page, rows.migration("shop-move", by=User.objects.get(username="dana"))
    MigrationEndpoint.objects.update(facts={}, tested_at=None, sealed_password="")
    page.goto(f"{visitor.base}{step_url(draft, 'source')}")
    expect(page.get_by_role("button", name="Test connection")).to_be_visible()
    return page


def test_the_result_of_a_test_is_seen_above_the_buttons(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 1100, "height": 620})
    page = start_wizard(visitor)
    for name, value in {"host": "127.0.0.1", "port": "1", "username": "x", "password": "x"}.items():
        page.locator(f"[name={name}]").fill(value)
    button = page.get_by_role("button", name="Test connection")
    button.evaluate("button => button.scrollIntoView({ block: 'end' })")
    button.click()
    result = page.locator("#test-result .error-card")
    expect(result).to_be_visible(timeout=15_000)
    page.wait_for_timeout(300)
    box, bar = result.bounding_box(), page.locator(".wizard-actions").bounding_box()
    assert box and bar
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= bar["y"]


def test_on_a_phone_the_buttons_lie_over_nothing(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 390, "height": 800})
    page = start_wizard(visitor)
    assert page.locator(".wizard-actions").evaluate("bar => getComputedStyle(bar).position") == "static"


def test_a_search_opens_schemas_with_a_match_and_hides_the_others(visitor: Visitor) -> None:
    page = visitor.page
    tables = [{"name": f"table_{letter}", "bytes": 8192, "rows_estimate": 3} for letter in "ab"]
    nodes = [{"name": f"schema_{number}", "tables": tables, "bytes": 1} for number in range(5)]
    nodes[3] |= {"tables": [{"name": "needle", "bytes": 8192, "rows_estimate": 3}]}
    html = render_to_string("wizard/_tables.html", {"nodes": nodes, "database": "x", "migration": {"pk": UUID(int=0)}})
    page.evaluate("html => { document.getElementById('main').innerHTML = html; }", html)
    field, folds = page.locator("#table-search"), page.locator(".tree-schema")
    folds.nth(0).locator("summary .muted").click()
    field.fill("needle")
    expect(page.locator(".tree-schema:visible")).to_have_count(1)
    expect(page.get_by_text("needle")).to_be_visible()
    field.fill("")
    expect(page.locator(".tree-schema:visible")).to_have_count(5)
    assert folds.evaluate_all("folds => folds.map(fold => fold.open)") == [True, False, False, False, False]


def test_a_copy_is_announced(visitor: Visitor) -> None:
    page = visitor.page
    page.context.grant_permissions(["clipboard-write", "clipboard-read"])
    html = render_to_string("components/_copy.html", {"text": "ALTER SYSTEM", "label": "the SQL"})
    page.evaluate("html => { document.getElementById('main').innerHTML = html; }", html)
    page.get_by_role("button", name="Copy the SQL").click()
    expect(page.locator("#toast")).to_have_text("Copied.")
