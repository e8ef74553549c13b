"""The DBA sees one migration: how far, how fast, what failed, what to do; and the page stays calm while it lives."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import (
    EventKind,
    MigrationFinding,
    ProcessHeartbeat,
    State,
    TableCopy,
    VerificationResult,
)
from migrations_app.selectors.tables import TABLES_PER_PAGE
from migrations_app.services.liveness import ProcessKind, beat
from tests.portal import sample_rows as rows
from tests.portal.page_reading import StoppedClock, bump, page_of, poll, poll_url, words

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
TABS = ("progress", "findings", "verification", "events", "settings")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Ten seconds begin when a test says so."""
    return StoppedClock(monkeypatch)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    """Dana, an operator."""
    return client_of(dana)


def table_names(html: str) -> list[str]:
    """The tables in their order on the page."""
    return re.findall(r'class="mono cell-table">.*?</span>(\w+)', html)


def test_the_current_step_is_told_in_words(browser: Client) -> None:
    text = words(page_of(browser, rows.running()))
    assert re.search(
        r"Copying 5 of 12 tables · 7\.0 GiB of 9\.3 GiB · 10 of 24 indexes · \d+\.\d MiB/s · .*of copying left", text
    )
    assert "running for 6 min" in text
    assert "75 %" in text


def test_a_copy_without_enough_samples_promises_nothing(browser: Client) -> None:
    migration = rows.running()
    migration.samples.all().delete()
    text = words(page_of(browser, migration))
    assert "of copying left" not in text
    assert "MiB/s ·" not in text


def test_a_copy_in_which_nothing_arrives_says_so(browser: Client) -> None:
    migration = rows.running()
    migration.samples.update(at=F("at") - timedelta(minutes=3))
    text = words(page_of(browser, migration))
    assert "No row has arrived for 3 min" in text
    assert "of copying left" not in text


def test_tables_that_failed_are_on_top_then_those_that_run_then_the_largest(browser: Client) -> None:
    migration = rows.running()
    TableCopy.objects.filter(name="customers_1").update(state="failed", error="value too long")
    html = page_of(browser, migration)
    assert table_names(html)[:4] == ["customers_1", "shipments", "stock", "prices"]
    assert "value too long" in html


def test_tables_are_filtered_and_paged(browser: Client) -> None:
    migration = rows.migration("big", state=State.IN_PROGRESS, started_at=timezone.now())
    rows.add_database(migration, "one", tables=2 * TABLES_PER_PAGE + 5, done=0)
    rows.add_database(migration, "two", tables=3, done=0)
    assert len(table_names(page_of(browser, migration))) == TABLES_PER_PAGE
    assert len(table_names(page_of(browser, migration, page="3"))) == 8
    assert set(table_names(page_of(browser, migration, q="sales.customers"))) >= {"customers", "customers_1"}
    assert len(table_names(page_of(browser, migration, database="two"))) == 3
    assert "No table matches" in page_of(browser, migration, q="nowhere")


def test_a_failure_is_a_card_that_says_what_to_do(browser: Client) -> None:
    migration = rows.failed()
    html = page_of(browser, migration)
    text = words(html)
    for expected in (
        "The disk of the target is full.",
        "Step Copy",
        "Why this usually happens.",
        "What to do. Enlarge the storage of the target (38.0 GiB are still to come), then resume.",
        "No space left on device",
        "public.stock",
        "On the target now, crm. 6 of 9 tables are complete",
        "Resume migration",
    ):
        assert expected in text
    assert reverse("migration-resume", args=[migration.pk]) in html


def test_a_validation_that_failed_opens_on_its_findings(browser: Client) -> None:
    html = page_of(browser, rows.validation_failed())
    assert 'class="tab" href="?tab=findings" aria-current="page"' in html
    assert re.search(r'<details class="finding finding-failed" id="finding-\d+" open>', html)
    assert "Validate again" in html
    assert "Nothing was created or changed there." in html


def test_findings_show_what_why_and_how_with_the_servers_words(browser: Client) -> None:
    migration = rows.running()
    rows.add_findings(migration, migration.databases.get())
    MigrationFinding.objects.create(
        migration=migration, code="PM0100", level="Warning", subject="View a", saw="It could not be created.",
        statement="CREATE VIEW a AS SELECT 1", server_message="ERROR: <permission> denied",
    )  # fmt: skip
    html = page_of(browser, migration, tab="findings")
    for expected in (
        "ALTER SYSTEM SET azure.extensions",
        "CREATE VIEW a",
        "&lt;permission&gt;",
        "603405",
        "data-copy=",
    ):
        assert expected in html
    script = browser.get(reverse("migration-fixes", args=[migration.pk, "target"]))
    assert script["Content-Disposition"] == f'attachment; filename="{migration.name}-fixes-target.sql"'
    assert b"ALTER SYSTEM" in script.content


def test_verification_has_three_results_never_two(browser: Client) -> None:
    migration = rows.succeeded(verified="could_not_verify")
    text = words(page_of(browser, migration, tab="verification"))
    assert "1 object could not be verified. Nobody knows whether it is the same." in text
    assert "not all of it could be verified" in text
    assert "identical." not in text.replace("comparisons identical", "")


def test_definitions_that_are_all_the_same_are_one_line(browser: Client) -> None:
    migration = rows.succeeded()
    for name in ("390 columns", "75 constraints"):
        VerificationResult.objects.create(
            database=migration.databases.get(), object_class=name.split()[1], name=name, result="identical"
        )
    html = page_of(browser, migration, tab="verification")
    assert "Definitions, identical on both servers: 390 columns, 75 constraints." in words(html)
    assert 'id="class-3"' not in html
    report = words(browser.get(reverse("migration-report", args=[migration.pk])).content.decode())
    assert "Definitions: 2 identical" in report


def test_a_difference_outweighs_everything(browser: Client) -> None:
    migration = rows.succeeded(verified="different")
    VerificationResult.objects.filter(object_class="sequence").update(result="could_not_verify")
    html = page_of(browser, migration, tab="verification", result="open")
    assert "Source and target differ in 1 object." in words(html)
    assert "Missing on the target: id = 4711" in html
    assert html.count('<th scope="row"><span class="mono">') == 5


def test_what_is_not_proved_is_listed_first_and_what_is_identical_folded(browser: Client) -> None:
    migration = rows.succeeded(verified="different")
    html = page_of(browser, migration, tab="verification")
    assert re.findall(r'<th scope="row"><span class="mono">([^<]+)<', html) == ["public.invoices"]
    assert "All identical: sequence 4." in words(html)
    assert html.count('id="class-') == 1
    everything = page_of(browser, migration, tab="verification", result="")
    assert everything.count('<th scope="row"><span class="mono">') == 13
    of_class = page_of(browser, migration, tab="verification", **{"class": "sequence"})
    assert of_class.count('<th scope="row"><span class="mono">') == 4


def test_a_migration_that_ended_shows_no_empty_column(browser: Client) -> None:
    migration = rows.succeeded()
    migration.databases.get().tables.update(parts_total=1)
    html = page_of(browser, migration)
    assert ">Progress</th>" not in html
    assert ">Parts</th>" not in html
    running = page_of(browser, rows.running())
    assert ">Progress</th>" in running
    assert ">Parts</th>" in running


def test_the_list_of_tables_says_what_it_counts(browser: Client) -> None:
    text = words(page_of(browser, rows.succeeded()))
    assert "tables with rows of their own" in text
    assert "without indexes" in text


def test_events_are_told_to_the_second(browser: Client) -> None:
    html = page_of(browser, rows.running(), tab="events")
    assert re.search(r'data-time="second">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d<', html)


def test_success_without_verification_does_not_claim_identity(browser: Client) -> None:
    migration = rows.succeeded(verified="")
    VerificationResult.objects.all().delete()
    text = words(page_of(browser, migration))
    assert "It was not verified." in text
    assert "identical" not in text


def test_events_tell_who_did_what_when_and_from_where(browser: Client, dana: User) -> None:
    text = words(page_of(browser, rows.running(by=dana), tab="events"))
    assert "Queued. dana from 10.1.2.3" in text
    assert "Validation finished. Portal" in text


def test_settings_never_show_a_secret(browser: Client) -> None:
    for migration in (rows.running(), rows.failed(), rows.migration("draft")):
        for tab in TABS:
            html = page_of(browser, migration, tab=tab)
            assert rows.SECRET not in html
            assert "sealed-password" not in html


@pytest.mark.parametrize("tab", TABS)
def test_an_unchanged_page_answers_nothing_with_six_queries(browser: Client, tab: str) -> None:
    url = poll_url(page_of(browser, rows.running(), tab=tab))
    with CaptureQueriesContext(connection) as queries:
        response = poll(browser, url)
    assert (response.status_code, response.content) == (204, b"")
    assert len(queries) <= 6  # session, user, 2 of permissions, revision, workers


def test_a_copy_that_hangs_goes_on_telling_for_how_long(browser: Client, clock: StoppedClock) -> None:
    migration = rows.running()
    url = poll_url(page_of(browser, migration))
    migration.samples.update(at=F("at") - timedelta(minutes=3))
    assert poll(browser, url).status_code == 204
    clock.go_on()
    html = poll(browser, url).content.decode()
    assert "No row has arrived for 3 min" in words(html)
    assert poll(browser, poll_url(html)).status_code == 204


def test_a_page_tells_when_workers_fall_silent_without_closing_what_is_open(browser: Client) -> None:
    migration = rows.running()
    beat(ProcessKind.WORKER)
    url = poll_url(page_of(browser, migration))
    ProcessHeartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    silent = poll(browser, url).content.decode()
    assert "No worker answers; the last one did 5 min ago" in words(silent)
    bump(migration)
    assert 'id="workers"' not in poll(browser, poll_url(silent)).content.decode()


@pytest.mark.parametrize(("tab", "own_queries"), [("progress", 6), ("findings", 4), ("verification", 5), ("events", 5)])
def test_a_changed_page_costs_few_queries(browser: Client, tab: str, own_queries: int) -> None:
    migration = rows.running(databases=5)
    url = poll_url(page_of(browser, migration, tab=tab))
    bump(migration)
    with CaptureQueriesContext(connection) as queries:
        response = poll(browser, url)
    assert response.status_code == 200
    of_the_request = 5  # session, user, 2 of permissions, workers
    assert len(queries) <= of_the_request + own_queries, "\n".join(query["sql"][:150] for query in queries)
    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert not response.cookies
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("tab", TABS)
def test_polled_parts_hold_nothing_that_a_person_types_into_or_opens(browser: Client, tab: str) -> None:
    migration = rows.running()
    rows.add_findings(migration, migration.databases.get())
    url = poll_url(page_of(browser, migration, tab=tab))
    bump(migration)
    html = poll(browser, url).content.decode()
    assert not re.search(r"<(select|textarea|details|form|button)\b", html)
    assert re.findall(r"<input [^>]*>", html) == re.findall(r'<input type="hidden"[^>]*>', html)


def test_a_poll_keeps_filter_and_page(browser: Client) -> None:
    migration = rows.running()
    html = page_of(browser, migration, q="customers")
    assert 'hx-include="#table-filter, #tables-page"' in html
    bump(migration)
    answer = poll(browser, f"{poll_url(html)}&q=customers&page=1").content.decode()
    assert set(table_names(answer)) == {"customers", "customers_1"}


def test_the_end_stops_the_poll_and_brings_the_next_action(browser: Client) -> None:
    migration = rows.running()
    url = poll_url(page_of(browser, migration))
    bump(migration, state=State.FAILED, ended_at=timezone.now(), error="The source went away.")
    response = poll(browser, url)
    html = response.content.decode()
    assert response.status_code == 200
    assert poll_url(html) == ""
    assert "hx-trigger" not in html
    assert "The source went away." in html
    assert '<div class="actions" id="actions" hx-swap-oob="true">' in html
    assert "Resume migration" in html


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELED, State.VALIDATION_FAILED, State.DRAFT])
def test_a_page_that_cannot_change_does_not_poll(browser: Client, state: State) -> None:
    assert poll_url(page_of(browser, rows.migration("still", state=state))) == ""


def test_new_events_are_put_on_top_and_only_once(browser: Client) -> None:
    migration = rows.running()
    url = poll_url(page_of(browser, migration, tab="events"))
    rows.add_event(migration, "Copy of rows started.", kind=EventKind.STEP)
    bump(migration)
    first = poll(browser, url).content.decode()
    assert 'hx-swap-oob="afterbegin:#events"' in first
    assert words(first).count("Copy of rows started.") == 1
    bump(migration)
    assert "Copy of rows started." not in poll(browser, poll_url(first)).content.decode()


def test_a_migration_that_is_gone_is_not_found(browser: Client) -> None:
    gone = "00000000-0000-0000-0000-000000000000"
    for name in ("migration", "migration-live", "migration-cancel"):
        assert browser.get(reverse(name, args=[gone])).status_code == 404
    assert browser.get(reverse("migration-fixes", args=[gone, "source"])).status_code == 404


@pytest.mark.parametrize(
    "query", ["tab=x", "page=zzz", "q=%00", "known=x&tab=events", "database=%00", "result=x&tab=verification"]
)
def test_nonsense_in_the_address_shows_the_page(browser: Client, query: str) -> None:
    migration = rows.running()
    assert browser.get(f"{reverse('migration', args=[migration.pk])}?{query}").status_code == 200
    assert browser.get(f"{reverse('migration-live', args=[migration.pk])}?{query}").status_code == 200


@pytest.mark.parametrize("state", State.values)
def test_every_state_has_a_page(browser: Client, state: str) -> None:
    migration = rows.migration("any", state=State(state), started_at=timezone.now(), scheduled_at=timezone.now())
    for tab in TABS:
        page_of(browser, migration, tab=tab)
