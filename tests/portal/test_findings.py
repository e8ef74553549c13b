"""What people see of findings, and what they do with them: accept, take back, go on, check again, download."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from migrations_app.engine.spec import MigrationOption
from migrations_app.models import (
    FindingCheck,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    MigrationFinding,
    Run,
    State,
    Substate,
)
from migrations_app.selectors.findings import SCRIPT_SHOWN, code_titles
from tests.portal import sample_rows as rows
from tests.portal.page_reading import StoppedClock, bump, page_of, poll, poll_url, words

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Ten seconds begin when a test says so."""
    return StoppedClock(monkeypatch)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    """Dana, an operator."""
    return client_of(dana)


@pytest.fixture
def owner() -> Migration:
    """A validation that failed; its findings are as the engine makes them."""
    migration = rows.validation_failed()
    migration.findings.update(phase="validation")
    return migration


@pytest.fixture
def waiting(owner: Migration) -> Migration:
    """It waits until two warnings are accepted."""
    owner.findings.filter(level="Failed").delete()
    Migration.objects.update(
        state=State.WAITING_FOR_USER,
        substate=Substate.WAITING_FOR_ACCEPTANCE,
        at_warnings="wait",
        error="",
        ended_at=None,
    )
    owner.refresh_from_db()
    return owner


def codes(html: str) -> list[str]:
    """The codes of the list, in their order."""
    return re.findall(r'<code class="finding-code"[^>]*>(\w+)</code>', html)


def finding(owner: Migration, code: str) -> MigrationFinding:
    return owner.findings.get(code=code)


def many(owner: Migration, count: int) -> None:
    """Findings of one database, of all levels."""
    database = owner.databases.first() or MigrationDatabase.objects.create(migration=owner, source_name="shop")
    MigrationFinding.objects.bulk_create(
        MigrationFinding(
            migration=owner, database=database, code=f"PM{number % 50:04}", subject=f"Table t{number}", saw="seen",
            level=("Failed", "Warning", "Info")[number % 3], phase="validation",
        )
        for number in range(count)
    )  # fmt: skip


def test_a_line_says_code_level_and_object_and_opened_everything_else(browser: Client, owner: Migration) -> None:
    owner.findings.filter(level="Failed").update(server_message="ERROR: no", fix_sql="SELECT '<1>';")
    html = page_of(browser, owner)
    lines = [words(line) for line in re.findall(r"<summary>(.*?)</summary>", html, re.S)]
    assert any(re.fullmatch(r"Failed Extension postgis .*603405", line) for line in lines)
    text = words(html)
    for expected in ("Why it matters.", "What to do. Allow the extension", "Copy fix script", "ERROR: no"):
        assert expected in text
    assert 'data-copy="SELECT &#x27;&lt;1&gt;&#x27;;"' in html
    assert f'<span class="muted">{code_titles()["603405"]}</span>' in html


def test_of_a_long_script_the_list_shows_the_beginning_and_offers_the_whole(
    browser: Client, owner: Migration, lee: User, client_of: ClientOf
) -> None:
    script = "\n".join(f"ALTER TABLE t{number} SET LOGGED;" for number in range(100_000))
    owner.findings.filter(level="Failed").update(fix_sql=script)
    html = page_of(browser, owner)
    assert "ALTER TABLE t100 SET LOGGED;" in html
    assert len(html) < 200_000
    assert f"These are the first {SCRIPT_SHOWN:,} of {len(script):,} characters." in words(html).replace("\u202f", ",")
    whole = client_of(lee).get(reverse("finding-fix", args=[owner.pk, owner.findings.get(level="Failed").pk]))
    assert whole.content.decode() == script + "\n"


def test_levels_and_words_filter_the_list_and_the_counts(browser: Client, owner: Migration) -> None:
    html = page_of(browser, owner, tab="findings", level="Warning")
    assert codes(html) == ["PM0031"]
    assert "All 4 Failed 1 Could not check 1 Warnings 1 For information 1" in words(html)
    assert codes(page_of(browser, owner, tab="findings", q="postgis")) == ["603405"]
    assert "No finding matches." in words(page_of(browser, owner, tab="findings", q="nowhere"))
    assert len(codes(page_of(browser, owner, tab="findings", level="nonsense", group="x", page="z"))) == 4


def test_the_list_is_grouped_by_object_or_by_level(browser: Client, owner: Migration) -> None:
    by_place = page_of(browser, owner, tab="findings")
    assert re.findall(r'<details class="finding-group" id="([\w-]+)"', by_place)[0] == "place-servers"
    by_level = page_of(browser, owner, tab="findings", group="level")
    assert re.findall(r'<details class="finding-group" id="([\w-]+)"', by_level) == [
        "level-Failed", "level-CouldNotCheck", "level-Warning", "level-Info",
    ]  # fmt: skip
    assert codes(by_level) == ["603405", "PM0044", "PM0031", "PM0050"]


@pytest.mark.parametrize("group", ["place", "level"])
def test_five_thousand_findings_cost_as_many_queries_as_four(browser: Client, owner: Migration, group: str) -> None:
    page_of(browser, owner)
    with CaptureQueriesContext(connection) as few:
        page_of(browser, owner, tab="findings", group=group)
    many(owner, 5000)
    with CaptureQueriesContext(connection) as queries:
        html = page_of(browser, owner, tab="findings", group=group)
    assert len(queries) == len(few)
    assert len(codes(html)) == 100
    assert "1 to 100 of 5,004 findings" in words(html)


def test_new_findings_arrive_while_one_looks(browser: Client) -> None:
    migration = rows.running()
    url = poll_url(page_of(browser, migration, tab="findings"))
    bump(migration)
    unchanged = poll(browser, url).content.decode()
    assert 'id="findings"' not in unchanged  # the list is sent only when something in it changed
    rows.add_findings(migration, None)
    bump(migration)
    with CaptureQueriesContext(connection) as queries:
        html = poll(browser, f"{poll_url(unchanged)}&level=Warning").content.decode()
    assert re.search(r'<div id="findings"[^>]* hx-swap-oob="true">', html)
    assert codes(html) == ["PM0031"]
    assert len(queries) <= 12, "\n".join(query["sql"][:150] for query in queries)
    assert poll(browser, poll_url(html)).status_code == 204


def test_accepting_needs_a_reason_and_is_told_with_name_and_time(browser: Client, owner: Migration, dana: User) -> None:
    row = finding(owner, "PM0031")
    url = reverse("finding-accept", args=[owner.pk, row.pk])
    refused = browser.post(url, {"reason": " "}, headers=HTMX)
    assert refused["HX-Redirect"] == f"/migrations/{owner.pk}/?tab=findings"
    assert "A reason is missing." in words(page_of(browser, owner))
    answer = browser.post(url, {"reason": "We set new ones.", "level": "", "tab": "findings"}, headers=HTMX)
    text = words(answer.content.decode())
    assert "Accepted just now by dana: We set new ones." in text
    assert "Failed 1 Could not check 1 Accepted 1 For information 1" in text
    row.refresh_from_db()
    assert (row.accepted_by, row.accepted_reason) == (dana, "We set new ones.")
    assert MigrationEvent.objects.get(actor=dana).message == "Accepted: PM0031 Role batch. Reason: We set new ones."
    browser.post(reverse("finding-reopen", args=[owner.pk, row.pk]))
    row.refresh_from_db()
    assert row.accepted_at is None


def test_without_a_script_the_page_comes_back(browser: Client, owner: Migration) -> None:
    url = reverse("finding-accept", args=[owner.pk, finding(owner, "PM0031").pk])
    response = browser.post(url, {"reason": "Known."})
    assert (response.status_code, response["Location"]) == (302, f"/migrations/{owner.pk}/?tab=findings")


def test_what_fails_cannot_be_accepted(browser: Client, owner: Migration) -> None:
    row = finding(owner, "603405")
    browser.post(reverse("finding-accept", args=[owner.pk, row.pk]), {"reason": "Why not."})
    row.refresh_from_db()
    assert row.accepted_at is None
    assert "603405 Extension postgis is no warning." in words(page_of(browser, owner))


def test_somebody_who_only_looks_decides_nothing(owner: Migration, lee: User, client_of: ClientOf) -> None:
    viewer = client_of(lee)
    row = finding(owner, "PM0031")
    for name in ("finding-accept", "finding-reopen", "finding-check"):
        assert viewer.post(reverse(name, args=[owner.pk, row.pk]), {"reason": "x"}).status_code == 403
    for name in ("migration-check", "migration-go-on"):
        assert viewer.post(reverse(name, args=[owner.pk]), {"reason": "x"}).status_code == 403
    html = page_of(viewer, owner)
    assert "Accept this warning" not in html
    assert "Check again" not in html
    assert "Copy fix script" in html
    assert viewer.get(reverse("migration-fixes", args=[owner.pk, "target"])).status_code == 200


def test_a_migration_that_waits_says_for_what_and_goes_on(browser: Client, waiting: Migration) -> None:
    html = page_of(browser, waiting)
    text = words(html)
    assert "2 warnings to accept before the migration goes on" in text
    assert "Accept warnings" in words(html[html.index('id="actions"') :])
    dashboard = words(browser.get(reverse("dashboard")).content.decode())
    assert "2 warnings to accept" in dashboard
    assert "Read and accept" in dashboard
    for code in ("PM0031", "PM0044"):
        url = reverse("finding-accept", args=[waiting.pk, finding(waiting, code).pk])
        browser.post(url, {"reason": "Known."}, headers=HTMX)
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    assert Run.objects.get().doorbell_id is not None


def test_going_on_anyway_takes_one_reason_for_all(browser: Client, waiting: Migration) -> None:
    browser.post(reverse("migration-go-on", args=[waiting.pk]), {"reason": "The window ends."}, headers=HTMX)
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    assert "Accepted 2 open warnings at once" in words(page_of(browser, waiting, tab="events"))


def test_checking_again_is_asked_for_and_the_page_waits_for_it(browser: Client, owner: Migration) -> None:
    answer = browser.post(reverse("migration-check", args=[owner.pk]), {}, headers=HTMX)
    html = answer.content.decode()
    assert "Checking again…" in html
    assert poll_url(html) != ""
    assert "Check all again" not in html
    assert FindingCheck.objects.get().codes == []
    FindingCheck.objects.update(ended_at=timezone.now())
    bump(owner)
    ended = poll(browser, poll_url(html)).content.decode()
    assert poll_url(ended) == ""
    assert "Check all again" in ended


def test_one_finding_is_checked_by_its_rule(browser: Client, owner: Migration) -> None:
    row = finding(owner, "603405")
    browser.post(reverse("finding-check", args=[owner.pk, row.pk]), {}, headers=HTMX)
    check = FindingCheck.objects.get()
    assert "603405" in check.codes
    assert check.database == row.database


def test_a_running_migration_is_not_checked_beside(browser: Client) -> None:
    migration = rows.running()
    rows.add_findings(migration, migration.databases.get())
    migration.findings.update(phase="validation")
    assert "Check all again" not in page_of(browser, migration, tab="findings")
    browser.post(reverse("migration-check", args=[migration.pk]))
    assert "cannot be checked now: it is in progress" in words(page_of(browser, migration))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            State.VALIDATION_FAILED,
            "1 reason why it would fail, 1 warning, 1 check that could not run; nothing was changed on either server.",
        ),
        (
            State.SUCCEEDED,
            "Nothing stands in the way, 1 warning, 1 check that could not run; nothing was changed on either server.",
        ),
    ],
)
def test_a_validation_has_a_page_of_its_own(browser: Client, owner: Migration, state: State, sentence: str) -> None:
    if state == State.SUCCEEDED:
        owner.findings.filter(level="Failed").delete()
    Migration.objects.update(option=MigrationOption.VALIDATE, state=state)
    html = page_of(browser, owner)
    assert sentence in words(html)
    assert re.findall(r'class="tab" href="\?tab=(\w+)"', html) == ["findings", "events", "settings"]
    assert 'href="?tab=findings" aria-current="page"' in html
    assert '<ol class="steps rail">' not in html
    assert 'class="error-card failure"' not in html


def test_scripts_are_offered_for_each_server_and_database(browser: Client, owner: Migration) -> None:
    MigrationDatabase.objects.create(migration=owner, source_name="crm", target_name="crm")
    html = page_of(browser, owner)
    url = reverse("migration-fixes", args=[owner.pk, "source"])
    assert f'href="{url}?database=crm"' in html
    assert browser.get(f"{url}?database=crm")["Content-Disposition"].endswith('-fixes-source-crm.sql"')
    assert browser.get(f"{url}?database=nowhere").status_code == 404
    assert browser.get(reverse("migration-fixes", args=[owner.pk, "both"])).status_code == 404
