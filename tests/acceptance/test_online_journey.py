"""A DBA moves the sample database, which is in use, by clicking: follow, rehearse, cut over, look at the way back, finish."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import expect

from portal.demo.sample import build_sample
from tests.acceptance.browser import Visitor, chromium
from tests.acceptance.live_portal import live_portal
from tests.acceptance.test_journey import fill_server

SALES = (
    "INSERT INTO shop.orders (ordered_at, customer_id, country, total, note)"
    " VALUES (now(), 1, 'DE', 1999, 'while it moves')",
    "UPDATE shop.orders SET state = 'paid', note = note || '!' WHERE id = (SELECT max(id) FROM shop.orders)",
    "UPDATE stock.levels SET on_hand = on_hand + 1 WHERE product_id % 50 = 0",
    "INSERT INTO shop.coupons SELECT * FROM shop.coupons LIMIT 1",
    "DELETE FROM stock.movements WHERE id = (SELECT min(id) FROM stock.movements)",
)
WRITTEN = "SELECT count(*) FROM shop.orders WHERE note LIKE 'while it moves%'"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory):
    with live_portal(tmp_path_factory.mktemp("online"), database_server=servers.get(17, name="portal")) as running:
        yield running


class Shopping:
    """The shop's customers, while the database moves; what a closed database refuses is not written."""

    def __init__(self, source, database: str) -> None:
        self._source, self._database, self._end = source, database, threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.orders = 0

    def _write(self) -> None:
        with self._source.connect(self._database) as connection:
            while not self._end.wait(0.05):
                for sale in SALES:
                    connection.execute(sale)
                self.orders += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def test_a_dba_moves_a_database_that_is_in_use(portal, servers):
    source, target = servers.get(18), servers.get(18, name="journey")
    with source.fresh_database("outdoor_shop") as database, chromium() as browser:
        build_sample(source.cluster.conninfo(database=database), size="small", seed=3)
        visitor = Visitor(browser, base=portal.url)
        try:
            with Shopping(source, database) as shopping:
                set_up(visitor, source, target, database)
                follow(visitor)
                change_a_definition(visitor, source, database)
                rehearse(visitor)
            cut_over(visitor, database)
            assert target.psql(WRITTEN, database=database).strip() == str(shopping.orders)
            target.psql(SALES[0], database=database)
            finish(visitor)
            for server in (source, target):
                slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgmig%'"
                assert server.psql(slots).strip() == "0"
            assert visitor.complaints == []
        finally:
            target.drop_database(database)


def set_up(visitor: Visitor, source, target, database: str) -> None:
    page = visitor.page
    visitor.log_in("ada", "a long enough test password")
    page.get_by_role("link", name="New migration").first.click()
    page.get_by_label("Migration name").fill("shop-online")
    page.get_by_text("On-premises server", exact=True).click()
    page.locator("[name=mode][value=Online]").check(force=True)
    page.get_by_role("button", name="Next: source server").click()
    fill_server(page, source, sslmode="prefer")
    page.get_by_role("button", name="Next: target server").click()
    expect(page.get_by_role("heading", name="Target server")).to_be_visible(timeout=30_000)
    fill_server(page, target, sslmode="prefer")
    page.get_by_role("button", name="Next: databases").click()
    expect(page.get_by_role("heading", name="Databases")).to_be_visible(timeout=30_000)
    page.get_by_label(database, exact=True).check()
    page.get_by_role("button", name="Next: options").click()
    page.get_by_label("Keep a way back after the cutover").check()
    visitor.picture("online-options")
    page.get_by_role("button", name="Next: review").click()
    expect(page.locator("body")).to_contain_text("What happens on the source")
    visitor.picture("online-review")
    page.get_by_role("button", name=re.compile("Start validation and migration of")).click()
    expect(page.get_by_role("heading", name="shop-online")).to_be_visible()


def follow(visitor: Visitor) -> None:
    page = visitor.page
    expect(page.locator(".status-line")).to_contain_text(re.compile("Ready to cut over|ailed"), timeout=240_000)
    assert "Ready to cut over" in page.locator(".status-line").inner_text(), page.locator("main").inner_text()
    page.get_by_role("link", name="Replication").click()
    expect(page.locator("#replication")).to_contain_text("Caught up", timeout=30_000)
    page.wait_for_timeout(6_000)
    visitor.picture("online-following")


def change_a_definition(visitor: Visitor, source, database: str) -> None:
    """Somebody adds a column meanwhile: it is told, and applied to the target by a click; nothing is lost."""
    page = visitor.page
    source.psql(
        "ALTER TABLE shop.orders ADD COLUMN gift_for text; CREATE TABLE shop.gifts (id int PRIMARY KEY)",
        database=database,
    )
    listed = page.get_by_label("Changed on one side only")
    expect(listed).to_contain_text("shop.orders", timeout=60_000)
    expect(listed).to_contain_text("gift_for")
    expect(listed).to_contain_text("shop.gifts", timeout=60_000)
    expect(page.get_by_role("button", name="Apply this to the target (table shop.orders)")).to_be_visible(
        timeout=60_000
    )
    visitor.picture("online-differences")
    for table in ("shop.orders", "shop.gifts"):
        page.get_by_role("button", name=f"Apply this to the target (table {table})").click()
        expect(page.get_by_role("button", name=f"Apply this to the target (table {table})")).to_have_count(
            0, timeout=60_000
        )
    expect(listed).to_have_count(0, timeout=60_000)
    expect(page.locator("#replication")).to_contain_text("Caught up", timeout=60_000)
    visitor.picture("online-differences-applied")


def rehearse(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("link", name="Cut over…").click()
    page.get_by_role("button", name="Rehearse the cutover").click()
    expect(page.locator("main")).to_contain_text("definitions of these tables were changed", timeout=60_000)
    expect(page.locator("main")).to_contain_text("Cut over with full verification")
    page.locator("form[action*=rehearse] [name=verification]").select_option("full")
    page.get_by_role("button", name="Rehearse the cutover").click()
    expect(page.locator(".checklist")).to_contain_text("a cutover takes about", timeout=120_000)
    visitor.picture("online-rehearsed")


def cut_over(visitor: Visitor, database: str) -> None:
    page = visitor.page
    expect(page.locator("#confirm-cutover")).to_be_visible(timeout=30_000)
    expect(page.locator("#level")).to_have_value("full")  # as it was rehearsed
    page.locator("#confirm-cutover").fill("shop-online")
    page.get_by_role("button", name=f"Cut over {database}").click()
    expect(page.locator(".verdict")).to_contain_text(re.compile(r"Cut over in \d"), timeout=120_000)
    expect(page.locator("#cutover-forms")).to_contain_text("Finish", timeout=30_000)
    visitor.picture("online-cut-over")


def finish(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("#confirm-finish").fill("shop-online")
    page.get_by_role("button", name=re.compile("^Finish ")).click()
    page.get_by_role("link", name="shop-online").click()
    expect(page.locator(".status-line")).to_contain_text(re.compile("Succeeded|ailed"), timeout=120_000)
    assert "Succeeded" in page.locator(".status-line").inner_text(), page.locator("main").inner_text()
    visitor.picture("online-finished")
    page.get_by_role("link", name="Events").click()
    visitor.picture("online-events")
