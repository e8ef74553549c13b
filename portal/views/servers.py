"""Saved connections: servers people keep for later migrations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from migrations_app.engine.errors import EngineError
from migrations_app.engine.spec import Side
from migrations_app.models import SavedConnection
from migrations_app.selectors.server_use import uses_of
from migrations_app.services.connection_test import test_connection
from migrations_app.services.drafts import CONNECTION_FIELDS
from migrations_app.services.saved_connections import connection_delete, connection_save
from portal.access import Permission, needs, person
from portal.forms.connection import SavedConnectionForm
from portal.http import address_of
from portal.views.wizard_endpoint import Failure, explain
from portal.wizard.fact_strip import fact_strip, warnings_of


@needs(Permission.VIEW)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List the saved servers, with the migrations made from each."""
    saved = list(SavedConnection.objects.select_related("created_by"))
    used = uses_of(saved)
    rows = [{"server": row, "facts": fact_strip(row.facts), "use": used[row.pk]} for row in saved]
    return render(request, "servers/index.html", {"rows": rows})


@needs(Permission.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Save a new server."""
    return _form(request, server=None)


@needs(Permission.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change a saved server; migrations made from it keep their own copy."""
    return _form(request, server=_server(pk))


def _server(pk: UUID) -> SavedConnection:
    server = SavedConnection.objects.filter(pk=pk).first()
    if server is None:
        raise Http404("There is no such saved server; somebody may have deleted it.")
    return server


def _form(request: HttpRequest, *, server: SavedConnection | None) -> HttpResponse:
    form = SavedConnectionForm(request.POST or None, request.FILES or None, row=server, initial=_stored(server))
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                saved = _save(request, server=server, form=form)
        except IntegrityError:
            form.add_error("name", "Another saved server took this name just now.")
        else:
            return _after_save(request, server=saved)
    return _page(request, server=server, form=form)


def _save(request: HttpRequest, *, server: SavedConnection | None, form: SavedConnectionForm) -> SavedConnection:
    return connection_save(
        server,
        name=form.cleaned_data["name"],
        provider=form.cleaned_data["provider"],
        values=form.values(),
        actor=person(request),
        address=address_of(request),
    )


def _after_save(request: HttpRequest, *, server: SavedConnection) -> HttpResponse:
    if request.POST.get("action") != "test":
        messages.success(request, f"{server.name} is saved.")
        return redirect("servers")
    return _tested(request, server=server)


def _tested(request: HttpRequest, *, server: SavedConnection) -> HttpResponse:
    """Test and show the outcome on the server's own page."""
    failure = None
    try:
        test_connection(server, Side.SOURCE)
    except EngineError as error:
        failure = explain(error, row=server, source_type=server.provider)
    form = SavedConnectionForm(row=server, initial=_stored(server))
    return _page(request, server=server, form=form, failure=failure)


@needs(Permission.OPERATE)
@require_POST
def test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Test a saved server with its stored values."""
    return _tested(request, server=_server(pk))


@needs(Permission.ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a saved server, once its name was typed."""
    server = _server(pk)
    typed = request.POST.get("confirm", "").strip()
    if request.method == "POST" and typed == server.name:
        connection_delete(server, actor=person(request), address=address_of(request))
        messages.success(request, f"{server.name} is deleted, with its password.")
        return redirect("servers")
    problem = f"Type {server.name} to delete it." if request.method == "POST" else ""
    use = uses_of([server])[server.pk]
    return render(request, "servers/delete.html", {"server": server, "use": use, "problem": problem})


def _page(
    request: HttpRequest,
    *,
    server: SavedConnection | None,
    form: SavedConnectionForm,
    failure: Failure | None = None,
) -> HttpResponse:
    tested = server is not None and server.tested_at is not None
    context: dict[str, Any] = {
        "server": server,
        "row": server or SavedConnection(),
        "form": form,
        "failure": failure,
        "facts": fact_strip(server.facts) if server and tested else [],
        "warnings": warnings_of(server.facts, side=Side.SOURCE) if server and tested else [],
        "use": uses_of([server])[server.pk] if server else None,
    }
    return render(request, "servers/form.html", context)


def _stored(server: SavedConnection | None) -> dict[str, Any]:
    if server is None:
        return {}
    return {name: getattr(server, name) for name in (*CONNECTION_FIELDS, "name", "provider")}
