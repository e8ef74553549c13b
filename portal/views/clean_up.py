"""Clean up both servers again after the end of an online migration: what it means, and what it found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from migrations_app.models import Migration
from migrations_app.services.clean_up_again import may_clean_up, request_clean_up
from migrations_app.services.consent import Person
from migrations_app.services.runs import ActionRefused, passwords_forgotten
from portal.access import Permission, get_migration_for, may, needs, person
from portal.http import address_of, fragment


@require_http_methods(["GET", "POST"])
@needs(Permission.VIEW)
def clean_up(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Say what is removed and what stays; on POST, ask for it. The last result is below."""
    if request.method == "GET":
        return render(request, "migrations/clean_up.html", _context(request, get_migration_for(request, pk)))
    migration = get_migration_for(request, pk, Permission.OPERATE)
    given = {f"{side}_password": request.POST.get(f"{side}_password", "") for side in ("source", "target")}
    missing = [side for side in passwords_forgotten(migration) if not given[f"{side}_password"]]
    if missing and may_clean_up(migration):
        context = _context(request, migration) | {"missing": missing, "was_posted": True}
        return render(request, "migrations/clean_up.html", context)
    try:
        request_clean_up(pk, by=Person(user=person(request), address=address_of(request)), **given)
    except ActionRefused as refused:
        messages.warning(request, f"{refused.message} {refused.hint}")
    return redirect("migration-clean-up", pk=pk)


@require_GET
@needs(Permission.VIEW)
def clean_up_live(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Answer the poll while a worker cleans up."""
    return fragment(request, "migrations/clean_up.html#result", _context(request, get_migration_for(request, pk)))


def _context(request: HttpRequest, migration: Migration) -> dict[str, Any]:
    newest = migration.clean_ups.select_related("asked_by").last()
    return {
        "migration": migration,
        "may_clean_up": may_clean_up(migration),
        "may_operate": may(request.user, Permission.OPERATE),
        "forgotten": passwords_forgotten(migration),
        "newest": newest,
        "items": list(newest.items.select_related("database")) if newest else [],
    }
