"""The source and target steps: how to reach a server, and proof that it can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from migrations_app.engine.errors import EngineError
from migrations_app.engine.spec import MigrationMode, Side
from migrations_app.models import Migration, MigrationEndpoint, SavedConnection, SourceType
from migrations_app.services.connection_test import test_connection
from migrations_app.services.drafts import CONNECTION_FIELDS, draft_set_endpoint, draft_use_saved_connection
from migrations_app.services.saved_connections import connection_save
from portal.access import person
from portal.forms.connection import EndpointForm
from portal.http import address_of, fragment, is_htmx
from portal.wizard import seen
from portal.wizard.connection_hints import provider_hint
from portal.wizard.fact_strip import fact_strip, warnings_of
from portal.wizard.prerequisites import prerequisite_groups, why_not_online
from portal.wizard.steps import TITLES, next_step, previous_step, rail, url_of


@dataclass(frozen=True)
class Failure:
    """A failed test as the error card shows it."""

    title: str
    hint: str
    why: str = ""
    server_message: str = ""


def source(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show, test or save the source server."""
    return _endpoint(request, migration, side=Side.SOURCE)


def target(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show, test or save the target server."""
    return _endpoint(request, migration, side=Side.TARGET)


def _endpoint(request: HttpRequest, migration: Migration, *, side: Side) -> HttpResponse:
    row: MigrationEndpoint = getattr(migration, side.value)
    if request.method != "POST":
        return _page(request, migration, side=side, form=EndpointForm(row=row, initial=_stored(row)))
    if request.POST.get("action") == "use-saved":
        return _use_saved(request, migration, side=side)
    form = EndpointForm(request.POST, request.FILES, row=row)
    if form.is_valid() and seen.is_stale(request.POST.get("seen", ""), current=seen.endpoint_mark(row)):
        form.add_error(None, seen.CONFLICT)
    if not form.is_valid():
        return _refuse(request, migration, side=side, form=form)
    return _save(request, migration, side=side, form=form)


def _save(request: HttpRequest, migration: Migration, *, side: Side, form: EndpointForm) -> HttpResponse:
    """Save what was typed, test it where that is asked for or not yet done, and go on if all is well."""
    actor, address = person(request), address_of(request)
    row: MigrationEndpoint = getattr(migration, side.value)
    values = form.values(saved_connection=row.saved_connection)
    row = draft_set_endpoint(migration, side=side, values=values, actor=actor, address=address)
    testing = request.POST.get("action") == "test"
    failure = None
    if testing or row.tested_at is None:
        try:
            test_connection(row, side, migration=migration, actor=actor, address=address)
        except EngineError as error:
            failure = explain(error, row=row, source_type=migration.source_type if side is Side.SOURCE else "")
    if testing and is_htmx(request):
        context = _test_context(migration, side=side, failure=failure) | {"oob": True}
        return fragment(request, "wizard/_test.html", context)
    if testing or failure:
        clean = EndpointForm(row=row, initial=_stored(row) | {"save_as": form.cleaned_data["save_as"]})
        return _page(request, migration, side=side, form=clean, failure=failure)
    if form.cleaned_data["save_as"] and not _keep(request, migration, side=side, form=form):
        return _page(request, migration, side=side, form=form)
    return redirect(url_of(migration, next_step(side.value)))


def _keep(request: HttpRequest, migration: Migration, *, side: Side, form: EndpointForm) -> bool:
    """Keep the server as a saved connection; tell whether that worked."""
    row: MigrationEndpoint = getattr(migration, side.value)
    provider = migration.source_type if side is Side.SOURCE else SourceType.FLEXIBLE_SERVER
    if side is Side.TARGET and row.facts.get("provider") in SourceType.values:
        provider = row.facts["provider"]
    try:
        saved = connection_save(
            None,
            name=form.cleaned_data["save_as"],
            provider=provider,
            values=form.values(),
            copy_password_of=row,
            actor=person(request),
            address=address_of(request),
        )
    except IntegrityError:
        form.add_error("save_as", "A saved server took this name just now. Choose another name.")
        return False
    MigrationEndpoint.objects.filter(pk=row.pk).update(saved_connection=saved)
    return True


def _use_saved(request: HttpRequest, migration: Migration, *, side: Side) -> HttpResponse:
    saved = SavedConnection.objects.filter(pk__in=_uuids(request.POST.get("saved", ""))).first()
    if saved is not None:
        try:
            draft_use_saved_connection(
                migration, side=side, saved=saved, actor=person(request), address=address_of(request)
            )
        except EngineError as error:
            row: MigrationEndpoint = getattr(migration, side.value)
            failure = explain(error, row=saved, source_type="")
            return _page(
                request, migration, side=side, form=EndpointForm(row=row, initial=_stored(row)), failure=failure
            )
    return redirect(url_of(migration, side.value))


def _uuids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


def explain(error: EngineError, *, row: Any, source_type: str) -> Failure:
    """Return a failed test in words, with what to do at the provider at hand."""
    kind = getattr(error, "kind", "")
    return Failure(
        title=error.message,
        hint=error.hint,
        why=provider_hint(kind, host=row.host, source_type=source_type),
        server_message=error.server_message,
    )


def _refuse(request: HttpRequest, migration: Migration, *, side: Side, form: EndpointForm) -> HttpResponse:
    """Show what is wrong. For htmx that is the result panel only: what was typed stays, the password too."""
    if not is_htmx(request):
        return _page(request, migration, side=side, form=form)
    labels = {name: field.label for name, field in form.fields.items()}
    problems = [(labels.get(name, ""), errors) for name, errors in form.errors.items()]
    return fragment(request, "wizard/_test.html", {"problems": problems, "row": getattr(migration, side.value)})


def _test_context(migration: Migration, *, side: Side, failure: Failure | None) -> dict[str, Any]:
    row: MigrationEndpoint = getattr(migration, side.value)
    chosen_type = migration.source_type if side is Side.SOURCE else ""
    return {
        "row": row,
        "failure": failure,
        "facts": fact_strip(row.facts) if row.tested_at else [],
        "warnings": warnings_of(row.facts, side=side, chosen_type=chosen_type) if row.tested_at else [],
        "notes": row.facts.get("notes", []) if row.tested_at else [],
        "seen": seen.endpoint_mark(row),
        "side": side.value,
        "prerequisites": prerequisite_groups(migration, side=side),
        "why_not_online": why_not_online(migration) if side is Side.SOURCE else "",
        "online": migration.mode == MigrationMode.ONLINE,
    }


def _page(
    request: HttpRequest, migration: Migration, *, side: Side, form: EndpointForm, failure: Failure | None = None
) -> HttpResponse:
    step = side.value
    context = {
        "form": form,
        "migration": migration,
        "step": step,
        "steps": rail(migration, current=step),
        "saved_connections": SavedConnection.objects.all(),
        "back_url": url_of(migration, previous_step(step)),
        "next_title": TITLES[next_step(step)].lower(),
    }
    return render(request, "wizard/endpoint.html", context | _test_context(migration, side=side, failure=failure))


def _stored(row: MigrationEndpoint) -> dict[str, Any]:
    return {name: getattr(row, name) for name in CONNECTION_FIELDS}
