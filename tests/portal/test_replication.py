"""The Replication side, the cutover page, and what a person may ask there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import (
    Migration,
    MigrationEvent,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    Run,
    State,
    VerificationResult,
)
from tests.portal.page_reading import bump, page_of, poll, poll_url, words
from tests.portal.sample_online import attempt, follow, online
from tests.portal.sample_rows import GIB, MIB, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    return client_of(dana)


@pytest.fixture
def viewer(client_of: Callable[[User], Client], lee: User) -> Client:
    return client_of(lee)


def ask(client: Client, migration: Migration, deed: str, **values: str) -> str:
    response = client.post(reverse("migration-ask", args=[migration.pk, deed]), values, follow=True)
    assert response.status_code == 200
    return words(response.content.decode())


def cutover_page(client: Client, migration: Migration, **query: str) -> str:
    response = client.get(reverse("migration-cutover", args=[migration.pk]), query)
    assert response.status_code == 200
    return response.content.decode()


def update(migration: Migration, **values: object) -> None:
    Replication.objects.filter(database__migration=migration).update(**values)


def test_it_opens_on_the_replication_and_says_how_far_it_is(browser: Client) -> None:
    text = words(page_of(browser, online()))
    assert "Ready to cut over · 0.4 s behind · caught up 2 h ago" in text
    assert "Caught up, 0.4 s behind." in text
    assert "1,204,332" in text and "pgmig_4b1e77aa_shop" in text and "5/80000000" in text
    assert "Applied 3.0 MiB/s" in text
    assert "The target reaches the source, and its administrator may subscribe." in text
    assert "Cut over…" in text


def test_charts_are_drawn_with_words_for_those_who_do_not_see_them(browser: Client) -> None:
    html = page_of(browser, online())
    assert html.count('<svg class="lines"') == 3
    assert "The lines as a table" in html and html.count('class="plot-times') == 3
    assert 'aria-label="Lag in seconds, highest' in html and 'aria-label="Written ' in html


def test_it_says_when_it_is_caught_up(browser: Client) -> None:
    migration = online(phase=OnlinePhase.FOLLOWING)
    update(migration, lag_bytes=2 * GIB, lag_seconds=600, caught_up_at=None)
    now = timezone.now()
    for sample in Replication.objects.get().samples.filter(at__gte=now - timedelta(minutes=2)):
        age = (now - sample.at).total_seconds()
        sample.applied_lsn = int(10 * GIB - age * 10 * MIB)
        sample.save()
    assert "Caught up at" in words(page_of(browser, migration, tab="replication"))


def test_complaint_5_it_says_when_it_will_not_catch_up_and_what_to_do(browser: Client) -> None:
    migration = online(phase=OnlinePhase.FOLLOWING)
    update(migration, lag_bytes=2 * GIB, lag_seconds=600)
    now = timezone.now()
    for sample in Replication.objects.get().samples.filter(at__gte=now - timedelta(minutes=2)):
        age = (now - sample.at).total_seconds()
        sample.source_lsn = int(30 * GIB - age * 10 * MIB)
        sample.save()
    text = words(page_of(browser, migration, tab="replication"))
    assert "Will not catch up: 10.0 MiB/s are written, and 3.0 MiB/s applied. Stop bulk work" in text


def test_an_error_of_the_apply_is_a_card_with_the_remedy(browser: Client) -> None:
    migration = online(databases=("crm", "shop"))
    Replication.objects.filter(database__source_name="crm").update(
        state="broken", error="A row is there.", error_hint="Delete it.", error_server_message="duplicate key"
    )
    text = words(page_of(browser, migration))
    assert "A row is there. What to do. Delete it." in text and "duplicate key" in text
    assert "Continue replication" in text and "Pause replication" not in text
    assert "Replication stopped at an error" in text
    assert "Action." not in text


def test_each_database_can_be_looked_at(browser: Client) -> None:
    migration = online(databases=("crm", "shop"))
    Replication.objects.filter(database__source_name="shop").update(slot="slot_of_shop", lag_bytes=1)
    assert "slot_of_shop" not in page_of(browser, migration)
    assert "slot_of_shop" in page_of(browser, migration, tab="replication", database="shop")


@pytest.mark.parametrize("span", ["10m", "1h", "1d", "all", "nonsense"])
def test_how_far_back_the_lines_go_is_chosen(browser: Client, span: str) -> None:
    assert "lines" in page_of(browser, online(), tab="replication", span=span)


def test_without_samples_it_says_why_no_line_is_drawn(browser: Client) -> None:
    migration = online()
    Replication.objects.get().samples.all().delete()
    text = words(page_of(browser, migration))
    assert "No line can be drawn yet: it takes a few samples" in text and "The lines as a table" not in text


def test_while_tables_are_copied_changes_wait_in_the_slot(browser: Client) -> None:
    migration = online(phase=OnlinePhase.FOLLOWING)
    update(migration, state="starting", caught_up_at=None, lag_bytes=GIB, lag_seconds=None)
    assert "Tables are being copied. What changes meanwhile waits" in words(
        page_of(browser, migration, tab="replication")
    )


def test_a_poll_sends_the_side_as_it_is_now(browser: Client) -> None:
    migration = online()
    url = poll_url(page_of(browser, migration, tab="replication"))
    assert poll(browser, url).status_code == 204
    update(migration, lag_seconds=7.0)
    bump(migration)
    answer = poll(browser, url).content.decode()
    assert 'id="replication" hx-swap-oob="true"' in answer and "7 s" in words(answer)


def test_an_offline_migration_has_no_such_side(browser: Client) -> None:
    assert "?tab=replication" not in page_of(browser, running())


def test_before_the_first_slot_it_says_so(browser: Client) -> None:
    migration = running()
    Migration.objects.update(mode="Online")
    assert "No database is followed yet" in page_of(browser, migration, tab="replication")
    assert "No database is followed yet" in cutover_page(browser, migration)


def test_pause_and_continue_are_one_click(browser: Client, dana: User) -> None:
    migration = online()
    text = ask(browser, migration, "pause", database="shop")
    request = ReplicationRequest.objects.get()
    assert (request.kind, request.asked_by, request.address) == ("pause", dana, "127.0.0.1")
    assert "by dana: pause replication. A worker hears it within seconds." in text
    assert "already" in ask(browser, migration, "pause", database="shop")
    ReplicationRequest.objects.update(ended_at=timezone.now(), succeeded=True)
    update(migration, state="paused")
    ask(browser, migration, "continue", database="shop")
    assert ReplicationRequest.objects.filter(kind="continue").exists()


def test_what_was_not_done_is_told_to_whoever_asked(browser: Client) -> None:
    migration = online()
    ReplicationRequest.objects.create(
        database=migration.databases.get(),
        kind="pause",
        ended_at=timezone.now(),
        succeeded=False,
        message="The cutover began.",
    )
    assert "Not done: pause replication. The cutover began." in words(page_of(browser, migration))


def test_the_checklist_fills_itself(browser: Client) -> None:
    migration = online()
    text = words(cutover_page(browser, migration))
    assert "Met: Caught up" in text and "12.4 KiB, 0.4 s behind" in text and "Open: Not rehearsed yet" in text
    attempt(migration.databases.get(), ago=600)
    text = words(cutover_page(browser, migration))
    assert "Rehearsed 10 min ago : a cutover takes about 2.9 s" in text
    assert "3 sessions of shop_app (10.1.7.21) write" in text
    assert "By the last rehearsal, writes are blocked for about 2.9 s" in text


def test_the_checklist_says_what_is_not_met(browser: Client) -> None:
    migration = online()
    update(migration, state="paused", lag_bytes=GIB, wal_status="lost")
    text = words(cutover_page(browser, migration))
    assert "Not met: Replication is paused" in text
    assert "Not met: 1.0 GiB" in text and "Not met: The slot's log is lost" in text
    assert "Cut over shop" not in text


def test_a_cutover_is_confirmed_by_typing(browser: Client) -> None:
    migration = online(databases=("crm", "shop"))
    assert "Type shop-online to confirm." in ask(browser, migration, "cutover", confirm="shop")
    assert not ReplicationRequest.objects.exists()
    ask(browser, migration, "cutover", confirm="shop-online", verification="full")
    assert set(ReplicationRequest.objects.values_list("kind", "verification")) == {("cutover", "full")}
    assert ReplicationRequest.objects.count() == 2
    assert MigrationEvent.objects.filter(message="Asked for the cutover, with full verification.").count() == 2


def test_one_database_is_confirmed_by_its_own_name(browser: Client) -> None:
    migration = online(databases=("crm", "shop"))
    assert "Type <b class" in cutover_page(browser, migration, database="shop")
    ask(browser, migration, "cutover", database="shop", confirm="shop")
    assert ReplicationRequest.objects.get().database.source_name == "shop"
    text = words(cutover_page(browser, migration))
    assert "by dana: cut over. A worker begins within seconds." in text
    assert "Cut over 2 databases" not in text


def test_a_rehearsal_needs_no_typing(browser: Client) -> None:
    migration = online()
    ask(browser, migration, "rehearse", verification="none")
    assert ReplicationRequest.objects.get().verification == "none"


def test_the_time_line_is_live(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUTTING_OVER)
    row = attempt(migration.databases.get(), result="", until=4)
    html = cutover_page(browser, migration)
    text = words(html)
    assert "Cutting over" in text and "No write for" in text and "12.4 KiB were left." in text
    assert 'hx-trigger="every 1s"' in html
    url = html.split('id="cutover" hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert poll(browser, url).status_code == 204
    row.steps.filter(ended_at__isnull=True).update(ended_at=timezone.now())
    bump(migration)
    answer = poll(browser, url).content.decode()
    assert 'id="cutover"' in answer and 'id="cutover-forms"' not in answer, "what is typed there stays"


def test_the_result_is_one_sentence(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    shop = migration.databases.get()
    attempt(shop, result="done", ago=60)
    VerificationResult.objects.create(database=shop, object_class="table", name="a.b", result="identical")
    text = words(cutover_page(browser, migration))
    assert "Cut over in 2.9 s. 1 table identical at 5/80000000 ." in text
    assert "The way back is open: Applying" in text
    assert "Cut over. The way back is open" in words(page_of(browser, migration))
    assert "Cancel migration" not in words(page_of(browser, migration))


def test_the_way_back_is_rehearsed_too(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    shop = migration.databases.get()
    attempt(shop, result="done", ago=3600)
    assert "Rehearse the way back" in words(cutover_page(browser, migration))
    ask(browser, migration, "rehearse")
    assert ReplicationRequest.objects.get().kind == "rehearse"
    attempt(shop, direction="reverse", ago=60)
    text = words(cutover_page(browser, migration))
    assert "Cut over in 2.9 s." in text and "The way back was rehearsed 1 min ago : it takes about 2.9 s ." in text
    attempt(shop, result="undone", direction="reverse", message="A session writes.")
    text = words(cutover_page(browser, migration))
    assert "The way back was undone" in text and "The target takes writes again" in text and "Cut over in" in text


def test_a_queued_migration_says_when_every_worker_is_busy(browser: Client, settings: Any) -> None:
    settings.TASK_WORKERS = 1
    migration = online(phase=OnlinePhase.FOLLOWING)
    waiting = running("waiting")
    Migration.objects.filter(pk=waiting.pk).update(state=State.QUEUED, substate="")
    assert "Waiting for a worker." in words(page_of(browser, waiting))
    Run.objects.create(migration=migration, lease_until=timezone.now() + timedelta(minutes=1))
    text = words(page_of(browser, waiting))
    assert "Waiting for a worker: all 1 are busy, 1 of them follow other migrations. PORTAL_WORKERS says" in text


def test_going_back_and_finishing_are_confirmed_by_typing(browser: Client) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    for deed in ("go-back", "finish"):
        assert "to confirm." in ask(browser, migration, deed, confirm="")
        ask(browser, migration, deed, confirm="shop-online")
        ReplicationRequest.objects.update(ended_at=timezone.now(), succeeded=False)
    assert set(ReplicationRequest.objects.values_list("kind", flat=True)) == {"go_back", "finish"}


def test_a_cutover_that_was_undone_says_why_and_what_to_do(browser: Client) -> None:
    migration = online()
    attempt(migration.databases.get(), result="undone", until=3, message="It took too long.", hint="Try at night.")
    text = words(cutover_page(browser, migration))
    assert "The cutover was undone" in text and "It took too long." in text and "What to do. Try at night." in text
    assert "The source takes writes again" in text
    assert "Cut over shop" in text


def test_viewers_see_everything_and_ask_for_nothing(viewer: Client) -> None:
    migration = online()
    text = words(cutover_page(viewer, migration))
    assert "Met: Caught up" in text and "People in the group Operators can" in text
    assert "<form" not in cutover_page(viewer, migration).split('id="cutover-forms"')[1].split("</main>")[0]
    assert "Pause replication" not in page_of(viewer, migration)
    assert viewer.post(reverse("migration-ask", args=[migration.pk, "pause"])).status_code == 403


def test_nonsense_is_refused_in_words(browser: Client) -> None:
    migration = online()
    assert browser.post(reverse("migration-ask", args=[migration.pk, "explode"])).status_code == 404
    assert "has no database nowhere" in ask(browser, migration, "pause", database="nowhere")
    Migration.objects.update(state=State.SUCCEEDED)
    assert "is succeeded" in ask(browser, migration, "rehearse")


def test_a_name_that_is_code_is_only_a_name(browser: Client) -> None:
    migration = online(databases=("<b>x</b>",))
    for html in (page_of(browser, migration), cutover_page(browser, migration)):
        assert "<b>x</b>" not in html


def test_the_dashboard_says_what_is_ready_and_what_stopped(browser: Client) -> None:
    online("ready-one")
    update(online("broken-one", phase=OnlinePhase.FOLLOWING), state="broken", error="It broke.", lag_seconds=75.0)
    online("back-one", phase=OnlinePhase.CUT_OVER, fall_back=True)
    html = browser.get(reverse("dashboard")).content.decode()
    text = words(html)
    assert "Ready to cut over 2 h ago ready-one Lag 0.4 s, for 2 h Cut over" in text
    assert "Replication stopped 2 h ago broken-one shop: It broke. See the error" in text
    assert "Cut over, and the way back is open" in text
    assert "1 min 15 s longest lag" in text
    listed = words(browser.get(reverse("dashboard"), {"show": "lag"}).content.decode().split('id="list"')[1])
    assert listed.index("broken-one") < listed.index("ready-one")


def test_without_a_heartbeat_the_lag_is_told_in_bytes(browser: Client) -> None:
    migration = online()
    update(migration, lag_seconds=None)
    Migration.objects.update(heartbeat=False)
    Replication.objects.get().samples.update(lag_seconds=None)
    text = words(page_of(browser, migration))
    assert "Not measured: no heartbeat is written on the source." in text
    assert "Ready to cut over · 12.4 KiB behind" in text


def test_a_replication_with_few_samples_promises_nothing(browser: Client) -> None:
    migration = online(phase=OnlinePhase.FOLLOWING)
    Replication.objects.all().delete()
    follow(migration.databases.get(), seconds=2, lag_bytes=GIB, lag_seconds=99.0)
    assert "Too early to say when it is caught up." in words(page_of(browser, migration, tab="replication"))


def test_the_report_holds_every_cutover_with_its_time_line(browser: Client, dana: User) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True, by=dana)
    shop = migration.databases.get()
    attempt(shop, ago=600)
    request = ReplicationRequest.objects.create(database=shop, kind="cutover", asked_by=dana, address="10.1.2.3")
    attempt(shop, result="done", request=request)
    report = browser.get(reverse("migration-report-json", args=[migration.pk])).json()
    rehearsal, cutover = report["online"]["cutovers"]
    assert (rehearsal["result"], cutover["result"], cutover["fence_lsn"]) == ("rehearsed", "done", "5/80000000")
    assert [step["step"] for step in cutover["steps"]][:3] == ["readiness", "fence", "drain"]
    assert report["online"]["requests"][0]["asked_by"] == "dana"
    assert report["verification"]["level"] == "counts"
    text = words(browser.get(reverse("migration-report", args=[migration.pk])).content.decode())
    assert "Cutover of shop Cut over in 2.9 s at 5/80000000" in text
    assert "behind its fence" in text
