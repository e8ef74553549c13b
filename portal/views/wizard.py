"""The wizard: one address per step, every step saved as a draft."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from migrations_app.models import Migration, State
from migrations_app.services.drafts import DRAFT_STEPS, NotADraft, draft_delete
from portal.access import Permission, get_migration_for, needs, person
from portal.forms.setup import name_problem
from portal.http import address_of, fragment
from portal.views import wizard_databases, wizard_endpoint, wizard_options, wizard_review, wizard_setup
from portal.wizard.steps import TITLES, first_incomplete, url_of

StepView = Callable[[HttpRequest, Migration], HttpResponse]
VIEWS: dict[str, StepView] = {
    "setup": wizard_setup.change,
    "source": wizard_endpoint.source,
    "target": wizard_endpoint.target,
    "databases": wizard_databases.databases,
    "options": wizard_options.options,
    "review": wizard_review.review,
}
# These read from the servers, so they need their tests; the others may be filled in any order.
NEEDS_EARLIER = ("databases", "review")
FIXED = "This migration was started; its settings are fixed now."


@needs(Permission.OPERATE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Ask for the setup of a migration that does not exist yet; the POST creates the draft."""
    return wizard_setup.create(request)


@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, pk: UUID, step: str) -> HttpResponse:
    """Show or save one step of a draft."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    if step not in VIEWS:
        raise Http404("The wizard has no such step.")
    if migration.state != State.DRAFT:
        return _started(request, migration)
    if step in NEEDS_EARLIER and (missing := first_incomplete(migration, before=step)):
        messages.info(request, f"{TITLES[step]} comes after this step: it has to be complete first.")
        return redirect("wizard", pk=pk, step=missing)
    try:
        return VIEWS[step](request, migration)
    except NotADraft:
        return _started(request, migration)


@require_safe
def resume(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Go to where the draft was left."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    step = migration.draft_step if migration.draft_step in DRAFT_STEPS else "setup"
    return redirect(url_of(migration, first_incomplete(migration, before=step) or step))


@require_http_methods(["GET", "HEAD", "POST"])
def discard(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask, then delete a draft and its passwords."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    if migration.state != State.DRAFT:
        return _started(request, migration)
    if request.method != "POST":
        return render(request, "wizard/discard.html", {"migration": migration})
    try:
        draft_delete(migration, actor=person(request), address=address_of(request))
    except NotADraft:
        return _started(request, migration)
    messages.success(request, f"The draft {migration.name} is discarded, with the passwords in it.")
    return redirect("/")


def tables(request: HttpRequest, pk: UUID, database: str) -> HttpResponse:
    """Choose schemas and tables of one database."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    if migration.state != State.DRAFT:
        return _started(request, migration)
    try:
        return wizard_databases.tables(request, migration, database=database)
    except NotADraft:
        return _started(request, migration)


@needs(Permission.OPERATE)
@require_safe
def name_available(request: HttpRequest) -> HttpResponse:
    """Tell, while it is typed, whether a name can be used."""
    name = request.GET.get("name", "").strip()
    own = Migration.objects.filter(pk__in=_uuids(request.GET.get("own", ""))).first()
    return fragment(request, "wizard/_name.html", {"name": name, "problem": name_problem(name, own=own)})


def _uuids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


def _started(request: HttpRequest, migration: Migration) -> HttpResponse:
    messages.info(request, FIXED)
    return redirect("migration", pk=migration.pk)
