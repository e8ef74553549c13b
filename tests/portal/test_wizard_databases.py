"""The databases step: choosing, renaming, leaving tables out, and agreeing to overwrite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from migrations_app.engine.spec import Side
from migrations_app.models import Migration
from migrations_app.services.drafts import DatabaseChoice, draft_set_databases
from portal.forms.tables import SEPARATOR
from tests.fixtures.servers import RunningServer, ServerPool, SourceAndTarget
from tests.portal.wizard_steps import choose, draft_with_servers, page_text, seen_mark, step_url

SHOP = """
CREATE SCHEMA sales; CREATE SCHEMA hr;
CREATE TABLE sales.orders AS SELECT g AS id, repeat('x', 100) AS note FROM generate_series(1, 2000) g;
CREATE TABLE sales.customers (id int PRIMARY KEY);
CREATE TABLE hr.people (id int PRIMARY KEY);
"""


@dataclass(frozen=True)
class Shop:
    """A draft whose source has the databases shop_src and "Ünï/code", and whose target has shop_old."""

    draft: Migration
    source: RunningServer
    target: RunningServer

    @property
    def url(self) -> str:
        """The databases step."""
        return step_url(self.draft, "databases")


@pytest.fixture
def browser(client_of: Callable[[User], Client], dana: User) -> Client:
    """Dana's browser."""
    return client_of(dana)


@pytest.fixture
def shop(browser: Client, source_and_target: SourceAndTarget) -> Iterator[Shop]:
    """Servers with databases, and a draft that reached this step."""
    source, target = source_and_target.source, source_and_target.target
    with (
        source.fresh_database("shop_src"),
        source.fresh_database("Ünï/code"),
        target.fresh_database("shop_old"),
    ):
        source.psql(SHOP, database="shop_src")
        target.psql("CREATE TABLE old (id int)", database="shop_old")
        yield Shop(draft_with_servers(browser, *source_and_target.endpoints), source, target)


@pytest.fixture
def draft_of_many(browser: Client, source_and_target: SourceAndTarget) -> Migration:
    """A draft that has read a source of 1,000 databases."""
    draft = draft_with_servers(browser, *source_and_target.endpoints)
    facts = {"owner": "postgres", "encoding": "UTF8", "size_bytes": 8_000_000, "table_count": 2, "problem": ""}
    offers = {"source": {f"many_{number}": facts for number in range(1000)}, "target": {}}
    for side, databases in offers.items():
        row = getattr(draft, side)
        row.facts = row.facts | {"databases": databases, "databases_read_at": timezone.now().isoformat()}
        row.save()
    return draft


def chosen(shop: Shop) -> dict[str, tuple[str, bool]]:
    """Return what is stored: source name -> name on the target, consent."""
    return {row.source_name: (row.target_name, row.overwrite) for row in shop.draft.databases.all()}


def test_the_source_is_read_with_what_the_target_has(browser: Client, shop: Shop) -> None:
    text = page_text(browser.get(shop.url))
    assert "shop_src" in text
    assert "Ünï/code" in text
    assert "does not exist yet; it is created" in text
    assert "template1" not in text
    assert "and their size without indexes" in text


def test_databases_are_chosen_and_renamed(browser: Client, shop: Shop) -> None:
    response = choose(browser, shop.draft, {"shop_src": "shop_new", "Ünï/code": "Ünï/code"})
    assert response["Location"] == step_url(shop.draft, "options")
    assert chosen(shop) == {"shop_src": ("shop_new", False), "Ünï/code": ("Ünï/code", False)}
    facts = shop.draft.databases.get(source_name="shop_src").facts
    assert facts["table_count"] == 3
    assert facts["owner"] == "postgres"


def test_two_databases_may_swap_their_names(browser: Client, shop: Shop) -> None:
    choose(browser, shop.draft, {"shop_src": "a", "Ünï/code": "b"})
    choose(browser, shop.draft, {"shop_src": "b", "Ünï/code": "a"})
    assert chosen(shop) == {"shop_src": ("b", False), "Ünï/code": ("a", False)}


def test_overwriting_needs_the_name_typed(browser: Client, shop: Shop) -> None:
    refused = choose(browser, shop.draft, {"shop_src": "shop_old"})
    assert refused.status_code == 200
    assert "shop_old exists on the target. Type its name to agree" in page_text(refused)
    assert 'value="shop_old"' in refused.content.decode()
    assert chosen(shop) == {}
    agreed = choose(browser, shop.draft, {"shop_src": "shop_old"}, consent_shop_src="shop_old")
    assert agreed.status_code == 302
    assert chosen(shop) == {"shop_src": ("shop_old", True)}


def test_a_rename_takes_the_consent_back(browser: Client, shop: Shop) -> None:
    choose(browser, shop.draft, {"shop_src": "shop_old"}, consent_shop_src="shop_old")
    choose(browser, shop.draft, {"shop_src": "shop_new"}, consent_shop_src="shop_old")
    assert chosen(shop) == {"shop_src": ("shop_new", False)}


def test_validation_alone_needs_no_consent(browser: Client, shop: Shop) -> None:
    Migration.objects.update(option="Validate")
    assert choose(browser, shop.draft, {"shop_src": "shop_old"}).status_code == 302


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({}, "Choose at least one database."),
        ({"shop_src": "same", "Ünï/code": "same"}, "Two databases would be named same"),
        ({"shop_src": "template1"}, "template1 belongs to PostgreSQL"),
        ({"shop_src": "postgres"}, "postgres is the target's maintenance database"),
        ({"shop_src": "ü" * 32}, "longer than 63 bytes"),
    ],
)
def test_a_bad_choice_is_explained(browser: Client, shop: Shop, names: dict[str, str], words: str) -> None:
    response = choose(browser, shop.draft, names)
    assert words in page_text(response).replace("&#x27;", "'")
    assert chosen(shop) == {}


def test_a_database_does_not_move_onto_itself(browser: Client, servers: ServerPool) -> None:
    server = servers.get(17, name="source")
    with server.fresh_database("alone"):
        draft = draft_with_servers(browser, server.endpoint(), server.endpoint(Side.TARGET, host="localhost"))
        response = choose(browser, draft, {"alone": "alone"}, consent_alone="alone")
        assert "Source and target are the same server" in page_text(response)
        assert choose(browser, draft, {"alone": "copy_of_alone"}).status_code == 302


def test_tables_are_left_out_with_the_sum_of_what_remains(browser: Client, shop: Shop) -> None:
    response = choose(browser, shop.draft, {"Ünï/code": "Ünï/code"}, action="tables:shop_src")
    url = reverse("wizard-tables", args=[shop.draft.pk, "shop_src"])
    assert response["Location"] == url
    assert set(chosen(shop)) == {"shop_src", "Ünï/code"}, "what was ticked before is kept"
    assert "3 of 3 tables move" in page_text(browser.get(url))
    fields = {"which": "except", "schema": ["hr"], "table": [f"sales{SEPARATOR}orders"]}
    assert browser.post(url, fields)["Location"] == shop.url
    row = shop.draft.databases.get(source_name="shop_src")
    assert row.selection == {"exclude_schemas": ["hr"], "exclude_tables": [["sales", "orders"]]}
    assert "1 of 3 tables move" in page_text(browser.get(shop.url))


def test_only_some_tables_move(browser: Client, shop: Shop) -> None:
    url = reverse("wizard-tables", args=[shop.draft.pk, "shop_src"])
    browser.get(shop.url)
    browser.post(url, {"which": "only", "table": [f"sales{SEPARATOR}orders"]})
    row = shop.draft.databases.get()
    assert row.selection == {"include_tables": [["sales", "orders"]]}
    assert row.facts["remaining_tables"] == 1
    choose(browser, shop.draft, {"shop_src": "shop_new"})
    row.refresh_from_db()
    assert row.selection == {"include_tables": [["sales", "orders"]]}
    assert 'value="only" checked' in browser.get(url).content.decode()


def test_leaving_everything_out_is_refused(browser: Client, shop: Shop) -> None:
    browser.get(shop.url)
    url = reverse("wizard-tables", args=[shop.draft.pk, "shop_src"])
    response = browser.post(url, {"which": "except", "schema": ["hr", "sales"]})
    assert "Nothing would be left to move" in page_text(response)


def test_a_name_with_a_slash_has_its_tables_too(browser: Client, shop: Shop) -> None:
    browser.get(shop.url)
    assert "has no tables" in page_text(browser.get(reverse("wizard-tables", args=[shop.draft.pk, "Ünï/code"])))


def test_the_dialog_is_a_fragment(browser: Client, shop: Shop) -> None:
    browser.get(shop.url)
    data = {"action": "tables:shop_src", "name-0": "shop_src", "target-0": "shop_src"}
    response = browser.post(shop.url, data, headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert "Tables of shop_src" in page_text(response)
    behind_it = seen_mark(browser.get(shop.url))
    out_of_band = f'id="seen" value="{behind_it}" hx-swap-oob="true"'
    assert out_of_band in response.content.decode(), "the form behind the dialog may be saved after it was closed"


def test_an_old_dialog_does_not_undo_newer_ticks(browser: Client, shop: Shop) -> None:
    browser.get(shop.url)
    url = reverse("wizard-tables", args=[shop.draft.pk, "shop_src"])
    old = seen_mark(browser.get(url))
    first = browser.post(url, {"which": "except", "schema": ["hr"], "seen": old})
    assert first["Location"] == shop.url
    orders = f"sales{SEPARATOR}orders"
    late = browser.post(url, {"which": "only", "table": [orders], "seen": old})
    assert "changed elsewhere" in page_text(late)
    assert f'value="{orders}"' in late.content.decode()
    assert shop.draft.databases.get().selection == {"exclude_schemas": ["hr"]}
    again = browser.post(url, {"which": "only", "table": [orders], "seen": seen_mark(late)})
    assert again["Location"] == shop.url
    assert shop.draft.databases.get().selection == {"include_tables": [["sales", "orders"]]}


def test_reading_again_keeps_the_ticks(browser: Client, shop: Shop) -> None:
    response = choose(browser, shop.draft, {"shop_src": "renamed"}, action="read-again")
    assert 'value="renamed"' in response.content.decode()
    assert chosen(shop) == {}


def test_a_source_that_went_away_is_a_card_with_a_retry(browser: Client, servers: ServerPool) -> None:
    with servers.fresh(17) as source:
        target = servers.get(18, name="target")
        draft = draft_with_servers(browser, source.endpoint(), target.endpoint(Side.TARGET))
        source.stop()
        response = browser.get(step_url(draft, "databases"))
        assert response.status_code == 200
        assert "Read the databases again" in page_text(response)
        assert "refused" in page_text(response)


def test_a_thousand_databases_cost_few_queries(browser: Client, draft_of_many: Migration) -> None:
    page = browser.get(step_url(draft_of_many, "databases"))
    names = {f"many_{number}": f"moved_{number}" for number in range(1000)}
    fields = {"seen": seen_mark(page), "action": "next"}
    for number, name in enumerate(sorted(names)):
        fields |= {f"name-{number}": name, f"target-{number}": names[name]}
    with CaptureQueriesContext(connection) as queries:
        answer = browser.post(step_url(draft_of_many, "databases"), fields | {"chosen": list(names)})
    assert answer.status_code == 302
    assert len(queries) < 40
    assert dict(draft_of_many.databases.values_list("source_name", "target_name")) == names
    assert draft_of_many.events.order_by("pk").last().message.endswith(" and 980 more.")
    swapped = {"many_0": "moved_1", "many_1": "moved_0"}
    choices = [DatabaseChoice(source_name=name, target_name=target) for name, target in swapped.items()]
    draft_set_databases(draft_of_many, databases=choices)
    assert dict(draft_of_many.databases.values_list("source_name", "target_name")) == swapped
