"""The Replication side of a migration's page, the page of its cutover, and what a person may ask there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from migrations_app.engine.spec import VerificationLevel
from migrations_app.following import is_following, may_continue, may_mend, may_pause, takes_requests
from migrations_app.models import Migration, OldSourceVisitor, ReplicationRequest, Substate
from migrations_app.models.migration import VERIFICATION_CHOICES
from migrations_app.selectors.cutover import CutoverPage, cutover_page
from migrations_app.selectors.differences import differences_of, rests_for
from migrations_app.selectors.migration_page import MigrationPage
from migrations_app.selectors.replication import Span, followed_of
from migrations_app.services.consent import Person
from migrations_app.services.requests import (
    continue_replication,
    pause_replication,
    request_cutover,
    request_finish,
    request_go_back,
    request_mend,
    request_rehearsal,
)
from migrations_app.services.runs import ActionRefused
from portal.access import Permission, get_migration_for, may, needs, person
from portal.http import address_of, fragment
from portal.polling import clock_token, workers_context, workers_of

DEEDS: dict[str, Callable[..., list[ReplicationRequest]]] = {
    "rehearse": request_rehearsal,
    "cutover": request_cutover,
    "pause": pause_replication,
    "continue": continue_replication,
    "mend": request_mend,
    "go-back": request_go_back,
    "finish": request_finish,
}
CONFIRMED = ("cutover", "go-back", "finish")
VERIFIED = ("rehearse", "cutover", "go-back")
SPAN_WORDS = {
    Span.TEN_MINUTES: "10 minutes",
    Span.HOUR: "1 hour",
    Span.DAY: "1 day",
    Span.ALL: "All",
}
NAME_MAX = 63
VISITORS_MAX = 50


def replication_context(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    """The variables of the Replication side; ``?database=`` and ``?span=`` choose what is drawn."""
    span = Span(request.GET["span"]) if request.GET.get("span", "") in list(Span) else Span.HOUR
    every, one = followed_of(shown.migration, chosen=_database(request), span=span)
    may_operate = may(request.user, Permission.OPERATE) and takes_requests(shown.migration)
    differences = differences_of(one.each.database.pk) if one is not None else []
    rests_for_differences = rests_for(differences)
    return {
        "every": every,
        "one": one,
        "span": span.value,
        "spans": [(each.value, words) for each, words in SPAN_WORDS.items()],
        "may_pause": may_operate and one is not None and may_pause(one.each),
        "may_continue": may_operate and one is not None and may_continue(one.each) and not rests_for_differences,
        "rests_for_differences": rests_for_differences,
        "requests": _last_requests(shown.migration),
        "differences": differences,
        "may_mend": may_operate and one is not None and may_mend(one.each),
        **_old_source(shown.migration),
    }


@require_GET
@needs(Permission.VIEW)
def cutover(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Show what has to be true, what it would take, how it goes, and the forms that ask for it."""
    migration = get_migration_for(request, pk)
    return render(request, "migrations/cutover.html", _cutover_context(request, migration))


@require_GET
@needs(Permission.VIEW)
def cutover_live(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Answer the poll of the cutover page: 204 when nothing changed. A form is replaced only when it is another."""
    marks = _marks(request, Migration.objects.filter(pk=pk).values_list("revision", flat=True).first())
    if all(request.GET.get(name) == mark for name, mark in marks.items()):
        return HttpResponse(status=204)
    context = _cutover_context(request, get_migration_for(request, pk))
    context["forms_changed"] = request.GET.get("f") != context["forms_token"]
    context |= workers_context(request, known=request.GET.get("w", ""))
    return fragment(request, "migrations/cutover.html#live_answer", context)


@require_POST
@needs(Permission.OPERATE)
def ask(request: HttpRequest, pk: UUID, deed: str) -> HttpResponseBase:
    """Ask for something, of one database or of all; what cannot be taken back is named by hand first."""
    if deed not in DEEDS:
        raise Http404("Nothing of that name can be asked for.")
    migration = get_migration_for(request, pk, Permission.OPERATE)
    name = request.POST.get("database", "")
    if deed in CONFIRMED and request.POST.get("confirm", "").strip() != (name or migration.name):
        context = _cutover_context(request, migration, database=name)
        context["problem"], context["problem_of"] = f"Type {name or migration.name} to confirm.", deed
        return render(request, "migrations/cutover.html", context)
    try:
        _do(request, migration, deed, name)
    except ActionRefused as refused:
        messages.warning(request, f"{refused.message} {refused.hint}")
    return redirect(_place(migration, deed, name))


def _do(request: HttpRequest, migration: Migration, deed: str, name: str) -> None:
    choice: dict[str, Any] = {}
    if name:
        row = migration.databases.filter(source_name=name).first()
        if row is None:
            raise ActionRefused(f"{migration.name} has no database {name}.", hint="Look at it again.")
        choice["database_id"] = row.pk
    level = request.POST.get("verification", "")
    if deed in VERIFIED and level in list(VerificationLevel):
        choice["verification"] = VerificationLevel(level)
    if deed == "mend":
        choice["subject"] = request.POST.get("subject", "").replace("\x00", "")
        choice["may_drop"] = request.POST.get("confirm", "").strip() == choice["subject"]
    if deed == "finish" and request.POST.get("reopen_source") == "on":
        choice["reopen_source"] = True
    DEEDS[deed](migration.pk, by=Person(user=person(request), address=address_of(request)), **choice)


def _place(migration: Migration, deed: str, name: str) -> str:
    """Where the person was: the Replication side for what is asked there, the cutover page for everything else."""
    query = {"database": name} if name else {}
    if deed in ("pause", "continue", "mend"):
        query = {"tab": "replication", **query}
        return f"{reverse('migration', args=[migration.pk])}?{urlencode(query)}"
    return _cutover_url(migration, name)


def _cutover_url(migration: Migration, name: str) -> str:
    url = reverse("migration-cutover", args=[migration.pk])
    return f"{url}?{urlencode({'database': name})}" if name else url


def _cutover_context(request: HttpRequest, migration: Migration, *, database: str | None = None) -> dict[str, Any]:
    name = _database(request) if database is None else database
    page = cutover_page(migration, database=name)
    token = _forms_token(page)
    return {
        "migration": migration,
        "page": page,
        "database": name,
        "typed": name or migration.name,
        "what": page.panels[0].each.name if len(page.panels) == 1 else f"{len(page.panels)} databases",
        "levels": VERIFICATION_CHOICES,
        "may_operate": may(request.user, Permission.OPERATE),
        "forms_token": token,
        **_old_source(migration),
        "poll_url": _poll_url(request, migration, name, token),
        "poll_every": "1s" if page.is_moving else "2s",
    }


def _poll_url(request: HttpRequest, migration: Migration, name: str, token: str) -> str:
    if not migration.is_active:
        return ""
    query = {**_marks(request, migration.revision), "f": token, "database": name}
    return f"{reverse('migration-cutover-live', args=[migration.pk])}?{urlencode(query)}"


def _marks(request: HttpRequest, revision: int | None) -> dict[str, str]:
    return {"v": str(revision), "t": clock_token(), "w": workers_of(request).token}


def _forms_token(page: CutoverPage) -> str:
    """A word that changes with the forms that are offered, and not with every sample of the lag."""
    words = [str(page.may_rehearse), str(page.may_cut_over), str(page.may_decide), page.level]
    waiting = [panel.each.name for panel in page.panels if panel.is_running or panel.each.open_request]
    return "-".join([*words, *waiting])


def _database(request: HttpRequest) -> str:
    return request.GET.get("database", "").replace("\x00", "")[:NAME_MAX]


def _old_source(migration: Migration) -> dict[str, Any]:
    """Who was seen in the old source since the cutover; looked for while the way back is open."""
    rows = OldSourceVisitor.objects.filter(database__migration=migration).select_related("database")
    visitors = list(rows.order_by("-last_seen_at", "id")[:VISITORS_MAX])
    is_watching = is_following(migration) and migration.substate == Substate.WAITING_FOR_FALL_BACK
    return {"visitors": visitors, "watches_old_source": is_watching or bool(visitors)}


def _last_requests(migration: Migration) -> list[ReplicationRequest]:
    """What was asked and is not done, or was refused lately: the person who asked wants to know."""
    rows = ReplicationRequest.objects.filter(database__migration=migration).exclude(succeeded=True)
    return list(rows.select_related("database", "asked_by").order_by("-id")[:5])
