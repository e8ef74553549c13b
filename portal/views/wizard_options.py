"""The options step."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from migrations_app.engine.spec import MigrationMode
from migrations_app.models import Migration
from migrations_app.services.drafts import draft_set_options
from portal.access import person
from portal.forms.online import OnlineForm, initial_online
from portal.forms.options import OptionsForm, initial_options
from portal.http import address_of
from portal.wizard import seen
from portal.wizard.estimate import jobs_basis, suggested_jobs
from portal.wizard.steps import rail, url_of


def options(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show or save how the work is done."""
    is_online = migration.mode == MigrationMode.ONLINE
    if request.method != "POST":
        form = OptionsForm(initial=initial_options(migration, suggested_jobs=suggested_jobs(migration)))
        return _page(request, migration, form, OnlineForm(initial=initial_online(migration)) if is_online else None)
    form, online = OptionsForm(request.POST), OnlineForm(request.POST) if is_online else None
    if form.is_valid() and (online is None or online.is_valid()):
        if not seen.is_stale(request.POST.get("seen", ""), current=seen.options_mark(migration)):
            chosen = form.values(online=online.values() if online else None)
            draft_set_options(migration, options=chosen, actor=person(request), address=address_of(request))
            return redirect(url_of(migration, "review"))
        form.add_error(None, seen.CONFLICT)
    return _page(request, migration, form, online)


def _page(request: HttpRequest, migration: Migration, form: OptionsForm, online: OnlineForm | None) -> HttpResponse:
    context = {
        "form": form,
        "online": online,
        "migration": migration,
        "step": "options",
        "steps": rail(migration, current="options"),
        "seen": seen.options_mark(migration),
        "jobs_basis": jobs_basis(migration),
        "free_bytes": migration.target.facts.get("free_bytes"),
        "zone": timezone.get_current_timezone_name(),
        "back_url": url_of(migration, "databases"),
        "next_title": "review",
        "advanced_open": any(form[name].errors for name in ("split_mib", "target_free_gib")),
    }
    return render(request, "wizard/options.html", context)
