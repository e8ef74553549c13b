"""What a person does with findings: accept, take back, go on anyway, check again; the parts of the page answer."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST

from migrations_app.services.checks import check_ask
from migrations_app.services.consent import Person, finding_accept, finding_reopen, migration_go_on
from migrations_app.services.runs import ActionRefused
from portal.access import Permission, get_migration_for, needs, person
from portal.http import address_of, go_to, is_htmx
from portal.views.migrations import live_answer


@require_POST
@needs(Permission.OPERATE)
def accept(request: HttpRequest, pk: UUID, finding: int) -> HttpResponseBase:
    """Accept one warning, with a reason."""
    return _done(request, pk, lambda: finding_accept(pk, [finding], reason=_reason(request), by=_person(request)))


@require_POST
@needs(Permission.OPERATE)
def reopen(request: HttpRequest, pk: UUID, finding: int) -> HttpResponseBase:
    """Take an acceptance back."""
    return _done(request, pk, lambda: finding_reopen(pk, finding, by=_person(request)))


@require_POST
@needs(Permission.OPERATE)
def go_on(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Accept what is left with one reason, so that the migration goes on."""
    return _done(request, pk, lambda: migration_go_on(pk, reason=_reason(request), by=_person(request)))


@require_POST
@needs(Permission.OPERATE)
def check(request: HttpRequest, pk: UUID, finding: int | None = None) -> HttpResponseBase:
    """Ask for one finding's rule, or for every rule, to be run again."""

    def ask() -> object:
        return check_ask(pk, finding_id=finding, actor=person(request), address=address_of(request))

    return _done(request, pk, ask)


def _done(request: HttpRequest, pk: UUID, deed: Callable[[], object]) -> HttpResponseBase:
    """Do it; then answer with the parts of the page, or with the page itself where something has to be told."""
    get_migration_for(request, pk, Permission.OPERATE)
    try:
        deed()
    except ActionRefused as refused:
        messages.warning(request, f"{refused.message} {refused.hint}")
        return go_to(request, _page(pk))
    return live_answer(request, pk) if is_htmx(request) else go_to(request, _page(pk))


def _page(pk: UUID) -> str:
    return f"{reverse('migration', args=[pk])}?tab=findings"


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")


def _person(request: HttpRequest) -> Person:
    return Person(user=person(request), address=address_of(request))
