"""A DBA moves a real database by clicking, watches it to the end and opens the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from portal.demo.sample import build_sample
from tests.acceptance.browser import Visitor, chromium
from tests.acceptance.live_portal import live_portal

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory):
    with live_portal(tmp_path_factory.mktemp("portal"), database_server=servers.get(17, name="portal")) as running:
        yield running


def test_a_dba_moves_a_database(portal, servers):
    source, target = servers.get(17, tls=True), servers.get(18, name="journey")
    with source.fresh_database("outdoor_shop") as database, chromium() as browser:
        build_sample(source.cluster.conninfo(database=database), size="small", seed=3)
        visitor = Visitor(browser, base=portal.url)
        page = visitor.page
        visitor.log_in("ada", "a long enough test password")
        visitor.picture("dashboard-empty")

        page.get_by_role("link", name="New migration").first.click()
        page.get_by_label("Migration name").fill("shop-to-azure")
        expect(page.get_by_text("is free").or_(page.get_by_text("available"))).to_be_visible()
        page.get_by_text("On-premises server", exact=True).click()
        visitor.picture("wizard-setup")
        page.get_by_role("button", name="Next: source server").click()

        fill_server(page, source, sslmode="verify-full", ca=Path(source.ca_file).read_text(), password="wrong")
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("What to do.")).to_be_visible()
        expect(page.locator("#test-result")).to_contain_text("password")
        visitor.picture("wizard-source-refused")
        page.locator("[name=password]").fill(source.password)
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator("[data-facts]")).to_contain_text("PostgreSQL 17")
        expect(page.locator("[data-facts]")).to_contain_text("TLS")
        visitor.picture("wizard-source")
        page.get_by_role("button", name="Next: target server").click()

        expect(page.get_by_role("heading", name="Target server")).to_be_visible()
        fill_server(page, target, sslmode="prefer")
        page.get_by_role("button", name="Next: databases").click()

        expect(page.get_by_role("heading", name="Databases")).to_be_visible()
        page.get_by_label(database, exact=True).check()
        visitor.picture("wizard-databases")
        page.get_by_role("button", name="Next: options").click()
        expect(page.get_by_role("heading", name="Options")).to_be_visible()
        visitor.picture("wizard-options")
        page.get_by_role("button", name="Next: review").click()
        expect(page.get_by_role("heading", name="Review")).to_be_visible()
        visitor.picture("wizard-review")
        assert source.password not in page.content() and target.password not in page.content()
        page.get_by_role("button", name=re.compile("Start validation and migration of")).click()

        expect(page.get_by_role("heading", name="shop-to-azure")).to_be_visible()
        visitor.picture("migration-running")
        expect(page.locator("body")).to_contain_text("Succeeded", timeout=240_000)
        page.wait_for_timeout(3_000)
        visitor.picture("migration-succeeded")
        for tab in ("Findings", "Verification", "Events", "Settings"):
            page.get_by_role("link", name=re.compile(f"^{tab}")).first.click()
            visitor.picture(f"migration-{tab.lower()}")

        page.goto(page.url.split("?")[0])
        page.get_by_role("link", name="Open report").first.click()
        expect(page.locator("body")).to_contain_text("identical")
        visitor.picture("report")
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("JSON")).first.click()
        report = json.loads(Path(download.value.path()).read_text())
        assert "identical" in json.dumps(report)

        page.goto(portal.url)
        visitor.picture("dashboard")
        page.get_by_role("link", name="History").click()
        expect(page.locator("body")).to_contain_text("Migrations")
        visitor.picture("admin")
        page.goto(f"{portal.url}/servers/")
        visitor.picture("servers")

        assert visitor.complaints == []
        assert visitor.policies and all("unsafe" not in policy for policy in visitor.policies), visitor.policies
        target.drop_database(database)


def fill_server(page, server, *, sslmode: str, ca: str = "", password: str | None = None) -> None:
    page.locator("[name=host]").fill("localhost")
    page.locator("[name=port]").fill(str(server.port))
    page.locator("[name=username]").fill(server.superuser)
    page.locator("[name=password]").fill(server.password if password is None else password)
    page.locator("[name=sslmode]").select_option(sslmode)
    if ca:
        page.locator("textarea[name=ca_certificate]").fill(ca)
