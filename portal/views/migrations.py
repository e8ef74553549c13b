"""The DBA's page: one migration, live; and what a person may do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from migrations_app.engine.events import CheckResult
from migrations_app.engine.spec import MigrationMode, MigrationOption
from migrations_app.following import is_following
from migrations_app.models import Migration, MigrationEvent, State
from migrations_app.selectors.actions import RESUMABLE, actions_for, may_cancel
from migrations_app.selectors.alarms import reminders_of
from migrations_app.selectors.dashboard import UNPROVED
from migrations_app.selectors.failure import failure_of
from migrations_app.selectors.headline import headline
from migrations_app.selectors.lag import lag_of
from migrations_app.selectors.migration_page import MigrationPage, migration_page, migration_revision
from migrations_app.selectors.tables import TableRow, table_page
from migrations_app.selectors.verification import class_summaries, result_page
from migrations_app.selectors.worker_room import worker_room
from migrations_app.services.consent import is_waiting_for_acceptance
from migrations_app.services.reports import NOT_VERIFIED
from migrations_app.services.runs import ActionRefused, migration_cancel, migration_resume, passwords_forgotten
from portal.access import Permission, get_migration_for, may, needs
from portal.http import address_of, fragment
from portal.polling import clock_token, workers_context, workers_of
from portal.views.findings import findings_context
from portal.views.replication import replication_context

TABS = {
    "progress": "Progress",
    "replication": "Replication",
    "findings": "Findings",
    "verification": "Verification",
    "events": "Events",
    "settings": "Settings",
}
TABS_OF_VALIDATION = ("findings", "events", "settings")
EVENTS_PER_PAGE = 100
TEXT_MAX = 100


@require_GET
@needs(Permission.VIEW)
def page(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Show one migration; ``?tab=`` says which of its sides."""
    shown = _page_or_404(pk)
    tab = _tab(request, migration=shown.migration)
    context = _live_context(request, shown, tab=tab) | TAB_CONTEXTS[tab](request, shown)
    return render(request, "migrations/detail.html", context)


@require_GET
@needs(Permission.VIEW)
def live(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Answer the poll of the page: 204 when nothing changed, else what moves. Touches no session."""
    revision = migration_revision(pk)
    if revision is None:
        raise Http404("There is no such migration.")
    marks = _marks(request, revision=revision)
    if all(request.GET.get(name) == mark for name, mark in marks.items()):
        return HttpResponse(status=204)
    tab = _tab(request)
    shown = _page_or_404(pk, with_line=tab == "progress")
    context = _live_context(request, shown, tab=tab) | LIVE_CONTEXTS[tab](request, shown)
    context["actions_changed"] = request.GET.get("s") != _actions_token(shown.migration)
    context |= workers_context(request, known=request.GET.get("w", ""))
    return fragment(request, "migrations/detail.html#live_answer", context)


def live_answer(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Answer a deed on the Findings side with all of its parts, as they are now; the form says what it showed."""
    shown = _page_or_404(pk, with_line=False)
    context = _live_context(request, shown, tab="findings") | {"findings_changed": True, "actions_changed": True}
    context |= findings_context(request, shown, values=request.POST)
    context["poll_url"] = _poll_url(request, shown, tab="findings", f=shown.findings_token)
    return fragment(request, "migrations/detail.html#live_answer", context)


@require_http_methods(["GET", "POST"])
@needs(Permission.OPERATE)
def cancel(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Say what canceling means for this migration; on POST, do it. Work that would be lost is named by hand first."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    shown = _page_or_404(pk, with_line=False)
    has_arrived = may_cancel(migration) and bool(shown.totals.rows_done or shown.totals.bytes_done)
    is_named = request.POST.get("confirm", "").strip() == migration.name
    if request.method == "GET" or (has_arrived and not is_named):
        context = {"shown": shown, "may_cancel": may_cancel(migration), "has_arrived": has_arrived}
        context["problem"] = f"Type {migration.name} to cancel it." if request.method == "POST" else ""
        return render(request, "migrations/cancel.html", context)
    try:
        migration_cancel(pk, actor=_actor(request), address=address_of(request))
    except ActionRefused as refused:
        messages.warning(request, f"{refused.message} {refused.hint}")
    return redirect("migration", pk=pk)


@require_http_methods(["GET", "POST"])
@needs(Permission.OPERATE)
def resume(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Let a migration that failed go on from where it stopped; GET asks for passwords, which may have changed."""
    migration = get_migration_for(request, pk, Permission.OPERATE)
    given = {f"{side}_password": request.POST.get(f"{side}_password", "") for side in ("source", "target")}
    missing = [side for side in passwords_forgotten(migration) if not given[f"{side}_password"]]
    if request.method == "GET" or (missing and migration.state in RESUMABLE):
        context = {"migration": migration, "forgotten": passwords_forgotten(migration), "missing": missing}
        context |= {"may_resume": migration.state in RESUMABLE, "was_posted": request.method == "POST"}
        return render(request, "migrations/resume.html", context)
    try:
        migration_resume(pk, actor=_actor(request), address=address_of(request), **given)
    except ActionRefused as refused:
        messages.warning(request, f"{refused.message} {refused.hint}")
    return redirect("migration", pk=pk)


def _page_or_404(pk: UUID, *, with_line: bool = True) -> MigrationPage:
    try:
        return migration_page(pk, with_line=with_line)
    except Migration.DoesNotExist as error:
        raise Http404("There is no such migration; it may have been a draft that was discarded.") from error


def _tab(request: HttpRequest, *, migration: Migration | None = None) -> str:
    default = "progress"
    if migration is not None and _opens_on_findings(migration):
        default = "findings"
    elif migration is not None and is_following(migration):
        default = "replication"
    asked = request.GET.get("tab", "")
    return asked if asked in TABS else default


def _opens_on_findings(migration: Migration) -> bool:
    only_validates = migration.option == MigrationOption.VALIDATE
    return only_validates or migration.state == State.VALIDATION_FAILED or is_waiting_for_acceptance(migration)


def _tabs(migration: Migration) -> dict[str, str]:
    """A migration that only validates has no rows to copy and none to compare; only an online one follows changes."""
    if migration.option == MigrationOption.VALIDATE:
        return {name: TABS[name] for name in TABS_OF_VALIDATION}
    is_online = migration.mode == MigrationMode.ONLINE
    return {name: label for name, label in TABS.items() if is_online or name != "replication"}


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").strip().replace("\x00", "")[:TEXT_MAX]


def _actions_token(migration: Migration) -> str:
    return f"{migration.state}.{migration.substate}{'-canceling' if migration.cancel_requested_at else ''}"


def _live_context(request: HttpRequest, shown: MigrationPage, *, tab: str) -> dict[str, Any]:
    migration = shown.migration
    allowed = actions_for(migration, may_operate=may(request.user, Permission.OPERATE))
    is_followed = migration.mode == MigrationMode.ONLINE and migration.is_active
    lag = lag_of(migration) if is_followed else None
    return {
        "shown": shown,
        "migration": migration,
        "tab": tab,
        "tabs": _tabs(migration).items(),
        "only_validates": migration.option == MigrationOption.VALIDATE,
        "headline": headline(shown.counts),
        "actions": allowed,
        "failure": failure_of(shown),
        "follows": is_following(migration),
        "lag": lag if is_following(migration) else None,
        "over": lag.over if lag else (),
        "reminders": reminders_of(migration, waits_since=lag.waits_since if lag else None),
        "room": worker_room() if migration.state == State.QUEUED and not migration.scheduled_at else None,
        "result": _result(shown),
        "forgotten": passwords_forgotten(migration) if migration.state in RESUMABLE else [],
        "poll_url": _poll_url(request, shown, tab=tab),
    }


def _marks(request: HttpRequest, *, revision: int) -> dict[str, str]:
    """What a poll compares: the rows, the clock, and whether workers answer."""
    return {"v": str(revision), "t": clock_token(), "w": workers_of(request).token}


def _poll_url(request: HttpRequest, shown: MigrationPage, *, tab: str, **more: object) -> str:
    """The address that the page polls; empty once nothing changes by itself."""
    migration = shown.migration
    if not migration.is_active and not shown.checks_open:
        return ""
    marks = _marks(request, revision=migration.revision)
    query = {**marks, "tab": tab, "s": _actions_token(migration), **more}
    return f"{reverse('migration-live', args=[migration.pk])}?{urlencode(query)}"


def _result(shown: MigrationPage) -> str:
    """The outcome of the verification over all databases: one of three, or that nothing was verified."""
    results = {database.verified for database in shown.databases}
    if CheckResult.DIFFERENT in results or shown.counts.different:
        return CheckResult.DIFFERENT.value
    if CheckResult.COULD_NOT_VERIFY in results or shown.counts.could_not_verify:
        return CheckResult.COULD_NOT_VERIFY.value
    return CheckResult.IDENTICAL.value if results == {CheckResult.IDENTICAL} else NOT_VERIFIED


def _progress(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    text, database = _text(request, "q"), request.GET.get("database", "")[:63].replace("\x00", "")
    page = table_page(shown.migration.pk, text=text, database=database, page=request.GET.get("page", "1"))
    query = {"tab": "progress", "q": text, "database": database}
    return {
        "tables": page,
        "columns": _table_columns(shown.migration, list(page.object_list)),
        "text": text,
        "database": database,
        "query": urlencode({key: value for key, value in query.items() if value}),
    }


def _table_columns(migration: Migration, rows: Sequence[TableRow]) -> dict[str, bool]:
    """Which columns have something to say: while it works all of them, so that none comes and goes."""
    working = not migration.is_terminal
    return {
        "progress": working or any(row.shows_progress for row in rows),
        "parts": working or any(row.table.parts_total > 1 for row in rows),
    }


def _findings(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    poll_url = _poll_url(request, shown, tab="findings", f=shown.findings_token)
    return {**findings_context(request, shown, values=request.GET), "poll_url": poll_url}


def _findings_live(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    """The list is sent only when something in it changed."""
    poll_url = _poll_url(request, shown, tab="findings", f=shown.findings_token)
    if request.GET.get("f") == shown.findings_token:
        return {"poll_url": poll_url}
    return {**findings_context(request, shown, values=request.GET), "findings_changed": True, "poll_url": poll_url}


def _verification(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    text, object_class = _text(request, "q"), _text(request, "class")
    asked = _text(request, "result") if "result" in request.GET else _open_first(shown, text=text, of=object_class)
    results = list(UNPROVED) if asked == "open" else [asked] if asked in list(CheckResult) else []
    page = result_page(
        shown.migration.pk, results=results, text=text, object_class=object_class, page=request.GET.get("page", "1")
    )
    query = {"tab": "verification", "q": text, "class": object_class}
    return _summaries(shown) | {
        "results": page,
        "asked": asked,
        "text": text,
        "object_class": object_class,
        "query": urlencode({"result": asked} | {key: value for key, value in query.items() if value}),
        "poll_url": _poll_url(request, shown, tab="verification", known=shown.counts.verified),
    }


def _open_first(shown: MigrationPage, *, text: str, of: str) -> str:
    """What is not proved comes first; somebody who looks for an object or a class finds it whatever its result."""
    has_open = bool(shown.counts.different or shown.counts.could_not_verify)
    return "open" if has_open and not (text or of) else ""


def _verification_live(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    more = _more_than_known(request, shown, tab="verification", count=shown.counts.verified)
    return more | _summaries(shown)


def _summaries(shown: MigrationPage) -> dict[str, Any]:
    classes = class_summaries(shown.migration.pk)
    summed_up = [row for row in classes if row.is_summed_up]
    is_folded = any(row.is_open for row in classes)
    listed = [row for row in classes if not row.is_summed_up and (row.is_open or not is_folded)]
    folded = [row for row in classes if is_folded and not row.is_open and not row.is_summed_up]
    return {"classes": classes, "listed": listed, "folded": folded, "summed_up": summed_up}


def _events(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    rows = shown.migration.events.select_related("actor", "database").order_by("-id")
    page = Paginator(rows, EVENTS_PER_PAGE).get_page(request.GET.get("page", "1"))
    newest = page.object_list[0].pk if page.object_list else 0
    last = newest if page.number == 1 else -1
    return {"events": page, "query": "tab=events", "poll_url": _poll_url(request, shown, tab="events", known=last)}


def _events_live(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    """The events since the newest one that the browser has; none on a page of older ones."""
    known = _known(request)
    rows: list[MigrationEvent] = []
    if known >= 0:
        newer = shown.migration.events.filter(pk__gt=known).select_related("actor", "database")
        rows = list(newer.order_by("-id")[:EVENTS_PER_PAGE])
    newest = rows[0].pk if rows else known
    return {"new_events": rows, "poll_url": _poll_url(request, shown, tab="events", known=newest)}


def _replication(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    context = replication_context(request, shown)
    one = context["one"]
    chosen = {"span": context["span"]} | ({"database": one.each.name} if one else {})
    return context | {"poll_url": _poll_url(request, shown, tab="replication", **chosen)}


def _settings(request: HttpRequest, shown: MigrationPage) -> dict[str, Any]:
    return {}


def _more_than_known(request: HttpRequest, shown: MigrationPage, *, tab: str, count: int) -> dict[str, Any]:
    """A list with opened details is never swapped under a person: a line offers what is new."""
    known = _known(request)
    return {"more": max(count - known, 0), "poll_url": _poll_url(request, shown, tab=tab, known=known)}


def _known(request: HttpRequest) -> int:
    word = request.GET.get("known", "0")
    return int(word) if word.removeprefix("-").isdigit() and word.isascii() and len(word) < 19 else 0


Context = Callable[[HttpRequest, MigrationPage], dict[str, Any]]
TAB_CONTEXTS: dict[str, Context] = {
    "progress": _progress,
    "replication": _replication,
    "findings": _findings,
    "verification": _verification,
    "events": _events,
    "settings": _settings,
}
LIVE_CONTEXTS: dict[str, Context] = TAB_CONTEXTS | {
    "findings": _findings_live,
    "verification": _verification_live,
    "events": _events_live,
}
