"""The databases step: what the source offers, what the target has, and which tables move."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from migrations_app.engine.errors import EngineError
from migrations_app.engine.probe import TableFacts
from migrations_app.engine.spec import Selection
from migrations_app.models import Migration
from migrations_app.services.drafts import draft_set_databases, draft_set_selection
from migrations_app.services.offered_databases import Offer, read_offer, read_tables, stored_offer
from migrations_app.services.spec import selection_from_json
from portal.access import person
from portal.forms.databases import DatabasesForm
from portal.forms.tables import SEPARATOR, TABLE_KINDS, is_only, selection_from_post, tree, what_remains
from portal.http import address_of, fragment, go_to, is_htmx
from portal.wizard import seen
from portal.wizard.steps import WHAT_IS_COUNTED, rail, url_of

LIST_IS_FRESH_SECONDS = 120
TABLES_OF = "tables:"
NOTHING_LEFT = "Nothing would be left to move. Tick what moves, or take the database out."


def databases(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show or save which databases move."""
    posted = request.method == "POST"
    action = request.POST.get("action", "") if posted else ""
    try:
        offer = _offer(migration, fresh=action == "read-again", ageing=not posted)
    except EngineError as error:
        return render(request, "wizard/databases.html", _context(migration) | {"failure": error})
    if not posted or action == "read-again":
        return _page(request, migration, form=DatabasesForm(migration, offer=offer, data=request.POST or None))
    form = DatabasesForm(migration, offer=offer, data=request.POST, also=action.removeprefix(TABLES_OF))
    if seen.is_stale(request.POST.get("seen", ""), current=seen.databases_mark(migration)):
        form.problems.append(seen.CONFLICT)
    if not form.is_valid(consent=not action.startswith(TABLES_OF)):
        return _whole_form(_page(request, migration, form=form))
    draft_set_databases(migration, databases=form.choices(), actor=person(request), address=address_of(request))
    if not action.startswith(TABLES_OF):
        return go_to(request, url_of(migration, "options"))
    if is_htmx(request):
        return _show_tables(request, migration, database=action.removeprefix(TABLES_OF))
    return redirect("wizard-tables", pk=migration.pk, database=action.removeprefix(TABLES_OF))


def _whole_form(response: HttpResponse) -> HttpResponse:
    """Where htmx asked for a dialog and the form has problems, swap the form instead."""
    response["HX-Retarget"] = response["HX-Reselect"] = "#databases-form"
    response["HX-Reswap"] = "outerHTML"
    return response


def _offer(migration: Migration, *, fresh: bool, ageing: bool) -> Offer:
    """Return the lists; a page reads them anew when they are old, a form is checked against what it showed."""
    stored = None if fresh else stored_offer(migration)
    if stored is None or (ageing and stored.age_seconds > LIST_IS_FRESH_SECONDS):
        return read_offer(migration)
    return stored


def _context(migration: Migration) -> dict[str, Any]:
    return {
        "migration": migration,
        "step": "databases",
        "steps": rail(migration, current="databases"),
        "back_url": url_of(migration, "target"),
        "next_title": "options",
    }


def _page(request: HttpRequest, migration: Migration, *, form: DatabasesForm) -> HttpResponse:
    context = _context(migration) | {
        "form": form,
        "seen": seen.databases_mark(migration),
        "read_at": form.offer.read_at,
        "target_names": "\x1f".join(form.offer.target),
        "total_bytes": sum(row.facts.get("size_bytes") or 0 for row in form.rows),
        "what_is_counted": WHAT_IS_COUNTED,
    }
    return render(request, "wizard/databases.html", context)


def tables(request: HttpRequest, migration: Migration, *, database: str) -> HttpResponse:
    """Show or save which schemas and tables of one database move."""
    if request.method == "POST":
        return _save_tables(request, migration, database=database)
    return _show_tables(request, migration, database=database)


def _show_tables(request: HttpRequest, migration: Migration, *, database: str) -> HttpResponse:
    row = migration.databases.filter(source_name=database).first()
    selection = selection_from_json(row.selection if row else {})
    try:
        found = _tables_of(migration, database=database)
    except EngineError as error:
        return _tables_page(request, migration, database=database, found=[], selection=selection, failure=error)
    return _tables_page(request, migration, database=database, found=found, selection=selection)


def _tables_of(migration: Migration, *, database: str) -> list[TableFacts]:
    """Return the tables of a database that the source offers. Raises ``EngineError`` and ``Http404``."""
    offer = stored_offer(migration)
    if offer is None or database not in offer.source:
        raise Http404(f"The source offers no database named {database}.")
    return [table for table in read_tables(migration, database=database) if table.kind in TABLE_KINDS]


def _save_tables(request: HttpRequest, migration: Migration, *, database: str) -> HttpResponse:
    selection = selection_from_post(request.POST)
    try:
        found = _tables_of(migration, database=database)
    except EngineError as error:
        return _tables_page(request, migration, database=database, found=[], selection=selection, failure=error)
    remains = what_remains(found, selection=selection)
    problem = NOTHING_LEFT if found and not remains["remaining_tables"] else ""
    if seen.is_stale(request.POST.get("seen", ""), current=seen.selection_mark(migration, database=database)):
        problem = seen.CONFLICT
    if problem:
        return _tables_page(request, migration, database=database, found=found, selection=selection, problem=problem)
    offer = stored_offer(migration)
    draft_set_selection(
        migration,
        database=database,
        selection=selection,
        facts=(offer.source.get(database, {}) if offer else {}) | remains,
        actor=person(request),
        address=address_of(request),
    )
    return go_to(request, url_of(migration, "databases"))


def _tables_page(
    request: HttpRequest,
    migration: Migration,
    *,
    database: str,
    found: list[TableFacts],
    selection: Selection,
    failure: EngineError | None = None,
    problem: str = "",
) -> HttpResponse:
    context = {
        "migration": migration,
        "database": database,
        "only": is_only(selection),
        "nodes": tree(found, selection=selection),
        "remains": what_remains(found, selection=selection),
        "total_bytes": sum(table.bytes for table in found),
        "total_tables": len(found),
        "separator": SEPARATOR,
        "step": "databases",
        "steps": rail(migration, current="databases"),
        "seen": seen.selection_mark(migration, database=database),
        "seen_behind": seen.databases_mark(migration),
        "failure": failure,
        "problem": problem,
        "in_dialog": is_htmx(request),
    }
    return fragment(request, "wizard/_tables.html" if is_htmx(request) else "wizard/tables.html", context)
