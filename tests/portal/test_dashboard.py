"""The lead sees at a glance what runs and what waits for whom; the list stays calm and cheap."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import Migration, MigrationDatabase, ProcessHeartbeat, SourceType, State
from migrations_app.selectors.dashboard import Show, numbers
from migrations_app.selectors.migration_list import ListFilter, filtered
from migrations_app.services.liveness import ProcessKind, beat
from tests.portal import sample_rows as rows
from tests.portal.page_reading import StoppedClock

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Ten seconds begin when a test says so."""
    return StoppedClock(monkeypatch)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    """Dana, an operator."""
    return client_of(dana)


def text_of(client: Client, **query: str) -> str:
    """The dashboard's HTML."""
    response = client.get(reverse("dashboard"), query)
    assert response.status_code == 200
    return response.content.decode()


def names_in(html: str) -> list[str]:
    """Names of the migrations in the list, from the top."""
    return re.findall(r'<a id="a-[0-9a-f]{32}" href="[^"]+">([^<]+)</a>', html)


def poll_url(html: str) -> str:
    """The address that the page polls."""
    found = re.search(r'id="poll" hx-get="([^"]+)"', html)
    assert found
    return unescape(found.group(1))


def poll(client: Client, url: str) -> Any:
    """Ask as htmx does."""
    return client.get(url, headers={"HX-Request": "true"})


def touch(migration: Migration, **fields: object) -> None:
    """Change a migration as the portal does: its revision grows."""
    Migration.objects.filter(pk=migration.pk).update(revision=F("revision") + 1, **fields)


def test_an_empty_portal_says_what_it_is_and_what_to_do(browser: Client) -> None:
    html = text_of(browser)
    assert "Move PostgreSQL databases to another server" in html
    assert reverse("migration-new") in html
    assert "./run demo" in html


def test_a_viewer_of_an_empty_portal_is_offered_nothing_they_may_not_do(lee: User, client_of: ClientOf) -> None:
    assert reverse("migration-new") not in text_of(client_of(lee))


def test_five_numbers_count_what_they_say() -> None:
    rows.running()
    rows.failed()
    rows.validation_failed()
    rows.succeeded()
    rows.succeeded("doubtful", verified="could_not_verify")
    rows.migration("later", state=State.QUEUED)
    old = rows.succeeded("last year", verified="different")
    Migration.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=300))
    counted = numbers()
    assert (counted.running, counted.queued, counted.waiting) == (1, 1, 3)
    assert (counted.finished, counted.succeeded, counted.total) == (4, 2, 7)
    assert counted.longest_seconds == pytest.approx(360, abs=30)
    moved = sum(
        row.bytes_done for name in ("shop-to-azure", "crm-move", "billing", "doubtful") for row in databases(name)
    )
    assert counted.moved_bytes == moved


def databases(name: str) -> list[MigrationDatabase]:
    """The databases of a migration."""
    return list(Migration.objects.get(name=name).databases.all())


@pytest.mark.parametrize(
    ("show", "names"),
    [
        (Show.RUNNING, {"shop-to-azure"}),
        (Show.LONGEST, {"shop-to-azure"}),
        (Show.WAITING, {"crm-move", "ledger"}),
        (Show.FINISHED, {"crm-move", "billing", "ledger"}),
        (Show.MOVED, {"shop-to-azure", "crm-move", "billing", "ledger"}),
    ],
)
def test_each_number_narrows_the_list(show: Show, names: set[str]) -> None:
    rows.running()
    rows.failed()
    rows.succeeded()
    rows.succeeded("ledger", verified="different")
    rows.migration("later", state=State.QUEUED)
    assert {row.name for row in filtered(ListFilter(show=show))} == names


def test_what_waits_for_a_person_says_why_and_where_to_go(browser: Client) -> None:
    failed, invalid = rows.failed(), rows.validation_failed()
    differing = rows.succeeded("ledger", verified="different")
    html = text_of(browser)
    cards = html[html.index('id="cards"') : html.index('id="list"')]
    assert "The disk of the target is full." in cards
    assert "1 finding to fix before it can run" in cards
    assert "Source and target differ" in cards
    assert reverse("migration", args=[failed.pk]) in cards
    assert f"{reverse('migration', args=[invalid.pk])}?tab=findings" in cards
    assert f"{reverse('migration', args=[differing.pk])}?tab=verification" in cards


def test_a_migration_that_failed_its_verification_leads_to_the_differences(browser: Client) -> None:
    migration = rows.succeeded("ledger", verified="different")
    touch(migration, state=State.FAILED, error="Source and target are different.")
    html = text_of(browser)
    assert f"{reverse('migration', args=[migration.pk])}?tab=verification" in html
    page = browser.get(reverse("migration", args=[migration.pk])).content.decode()
    assert "See 1 difference<" in page
    assert "?tab=verification&amp;result=open" in page


def test_the_list_is_filtered_by_its_address(browser: Client, lee: User) -> None:
    rows.running("shop")
    rows.migration("crm", by=lee, source_type=SourceType.GCP_CLOUD_SQL, source_host="10.9.8.7")
    rows.succeeded("billing")
    assert names_in(text_of(browser, state="InProgress")) == ["shop"]
    assert names_in(text_of(browser, source="GCP_CloudSQL")) == ["crm"]
    assert names_in(text_of(browser, who="lee")) == ["crm"]
    assert names_in(text_of(browser, q="10.9.8")) == ["crm"]
    assert names_in(text_of(browser, q="BILL")) == ["billing"]
    assert names_in(text_of(browser, mode="Online")) == []
    assert "No migration matches" in text_of(browser, q="nowhere")


@pytest.mark.parametrize("query", ["show=x", "state=x", "page=zzz", "page=-4", "q=%00", "who=%00&mode=", "source='"])
def test_nonsense_in_the_address_shows_the_list(browser: Client, query: str) -> None:
    rows.migration("shop")
    response = browser.get(f"{reverse('dashboard')}?{query}")
    assert response.status_code == 200
    assert names_in(response.content.decode()) == ["shop"]


def test_names_are_text_not_html(browser: Client) -> None:
    rows.migration("<b>x</b>", source_host="<script>alert(1)</script>")
    html = text_of(browser)
    assert "<script>alert" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_an_unchanged_dashboard_answers_nothing(browser: Client) -> None:
    rows.running()
    response = poll(browser, poll_url(text_of(browser)))
    assert response.status_code == 204
    assert response.content == b""


def test_only_rows_that_changed_come_again_and_in_their_place(browser: Client) -> None:
    shop, _, crm = rows.running("shop"), rows.migration("idle"), rows.failed("crm")
    url = poll_url(text_of(browser))
    touch(shop, state=State.SUCCEEDED)
    html = poll(browser, url).content.decode()
    assert names_in(html) == ["shop"]
    assert f'<tr id="m-{shop.pk.hex}" hx-swap-oob="true">' in html
    assert crm.pk.hex not in re.sub(r'hx-get="[^"]+"', "", html)
    assert poll(browser, poll_url(html)).status_code == 204


def test_what_hangs_goes_on_telling_for_how_long(browser: Client, clock: StoppedClock) -> None:
    shop, crm = rows.running("shop"), rows.failed("crm")
    url = poll_url(text_of(browser))
    shop.samples.update(at=F("at") - timedelta(minutes=3))
    clock.go_on()
    html = poll(browser, url).content.decode()
    assert names_in(html) == ["shop"]
    assert "quiet for 3 min" in html
    assert crm.pk.hex not in re.sub(r'hx-get="[^"]+"', "", html)
    assert poll(browser, poll_url(html)).status_code == 204


def test_the_clock_says_nothing_about_what_stands_still(browser: Client, clock: StoppedClock) -> None:
    rows.failed("crm")
    url = poll_url(text_of(browser))
    clock.go_on()
    assert poll(browser, url).status_code == 204


def test_workers_that_fall_silent_are_told_on_the_open_page_and_so_is_their_return(browser: Client) -> None:
    rows.failed("crm")
    beat(ProcessKind.WORKER)
    url = poll_url(text_of(browser))
    ProcessHeartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    silent = poll(browser, url).content.decode()
    assert '<div id="workers" hx-swap-oob="true">' in silent
    assert "No worker answers" in silent
    assert poll(browser, poll_url(silent)).status_code == 204
    beat(ProcessKind.WORKER)
    assert "No worker answers" not in poll(browser, poll_url(silent)).content.decode()


def test_the_first_migration_opens_the_list_on_an_empty_page(browser: Client) -> None:
    url = poll_url(text_of(browser))
    assert poll(browser, url).status_code == 204
    rows.migration("first")
    response = poll(browser, url)
    assert response["HX-Refresh"] == "true"
    assert response.content == b""


def test_an_empty_page_is_sent_none_of_the_parts_it_does_not_have(browser: Client) -> None:
    url = poll_url(text_of(browser))
    beat(ProcessKind.WORKER)
    html = poll(browser, url).content.decode()
    assert re.findall(r'id="(\S+)" hx-swap-oob', html) == ["workers"]


def test_a_row_stays_although_it_left_the_filter(browser: Client) -> None:
    shop = rows.running("shop")
    url = poll_url(text_of(browser, show="running"))
    touch(shop, state=State.SUCCEEDED)
    assert names_in(poll(browser, url).content.decode()) == ["shop"]


def test_new_migrations_are_offered_not_pushed(browser: Client) -> None:
    rows.running("shop")
    url = poll_url(text_of(browser))
    rows.migration("newcomer")
    html = poll(browser, url).content.decode()
    assert "1 new." in html
    assert "newcomer" not in html


def test_cards_are_swapped_only_when_they_say_something_else(browser: Client) -> None:
    shop, _ = rows.running("shop"), rows.failed("crm")
    url = poll_url(text_of(browser))
    touch(shop)
    first = poll(browser, url).content.decode()
    assert 'id="cards"' not in first
    touch(shop, state=State.FAILED, ended_at=timezone.now(), error="The source went away.")
    assert "The source went away." in poll(browser, poll_url(first)).content.decode()


def test_a_poll_with_nonsense_is_answered(browser: Client) -> None:
    rows.running("shop")
    long_number = "9" * 40
    response = browser.get(reverse("dashboard-live"), {"rows": f"zz:1,,:,{'0' * 32}:{long_number}", "known": "many"})
    assert response.status_code == 200


def test_the_poll_leaves_the_session_alone(browser: Client) -> None:
    rows.running("shop")
    url = poll_url(text_of(browser))
    touch(Migration.objects.get(name="shop"))
    with CaptureQueriesContext(connection) as queries:
        response = poll(browser, url)
    assert response.status_code == 200
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]
    assert not response.cookies
    assert response["Cache-Control"] == "no-store"


def test_polled_parts_hold_nothing_that_a_person_types_into(browser: Client) -> None:
    shop = rows.running("shop")
    url = poll_url(text_of(browser))
    touch(shop)
    html = poll(browser, url).content.decode()
    assert not re.search(r"<(input|select|textarea|details|form|button)\b", html)


def test_people_in_no_group_and_strangers_see_nothing(client: Client, eve: User, client_of: ClientOf) -> None:
    rows.running("shop")
    for url in (reverse("dashboard"), reverse("dashboard-live")):
        assert client.get(url).status_code == 302
        response = client_of(eve).get(url)
        assert response.status_code == 403
        assert b"shop" not in response.content


@pytest.fixture
def ten_thousand(lee: User) -> None:
    """A long history and one migration that runs."""
    rows.many(10_000, by=lee)
    rows.running("shop", by=lee)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.usefixtures("ten_thousand")
def test_ten_thousand_migrations_cost_as_few_queries_as_ten(browser: Client) -> None:
    browser.get(reverse("dashboard"))
    with CaptureQueriesContext(connection) as queries:
        html = text_of(browser)
    assert len(names_in(html)) == 50
    # session, user, 2 of permissions, workers; token, count, rows, their sums, rates, 2 of numbers, 2 of cards, people
    assert len(queries) <= 16, "\n".join(query["sql"][:150] for query in queries)
    assert sum(float(query["time"]) for query in queries) < 1.0
    assert "10,001" in html
    assert "Page 1 of 201" in html


@pytest.mark.usefixtures("ten_thousand")
def test_a_poll_of_ten_thousand_migrations_is_cheap(browser: Client) -> None:
    url = poll_url(text_of(browser))
    with CaptureQueriesContext(connection) as unchanged:
        assert poll(browser, url).status_code == 204
    assert len(unchanged) <= 6  # session, user, 2 of permissions, token, workers
    touch(Migration.objects.get(name="shop"))
    with CaptureQueriesContext(connection) as changed:
        assert names_in(poll(browser, url).content.decode()) == ["shop"]
    assert len(changed) <= 15, "\n".join(query["sql"][:150] for query in changed)
    assert sum(float(query["time"]) for query in changed) < 0.6


@pytest.mark.usefixtures("ten_thousand")
def test_the_last_of_two_hundred_pages_keeps_the_filter(browser: Client) -> None:
    html = text_of(browser, page="200", state="Succeeded")
    links = [unescape(link) for link in re.findall(r'rel="prev"[^>]* href="([^"]+)"', html)]
    assert links
    assert parse_qs(urlsplit(links[0]).query)["state"] == ["Succeeded"]
