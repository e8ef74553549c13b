"""Small facts about a request: its address, what htmx wants, where to go next."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

THEME_COOKIE = "portal_theme"
THEMES = ("light", "dark")


def address_of(request: HttpRequest) -> str | None:
    """Return the address a request came from, for the event log."""
    return request.META.get("REMOTE_ADDR") or None


def is_htmx(request: HttpRequest) -> bool:
    """Tell whether htmx wants a fragment; a page restored from history wants the whole page."""
    return bool(request.headers.get("HX-Request")) and not request.headers.get("HX-History-Restore-Request")


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect, also from a form that htmx posted."""
    return HttpResponse(headers={"HX-Redirect": url}) if is_htmx(request) else redirect(url)


def fragment(request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    """Render a fragment that no cache and no back button may show as a page."""
    response = render(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    response["Vary"] = "HX-Request"
    return response


def safe_next(request: HttpRequest, default: str = "/") -> str:
    """Return the page to go back to, if it is one of ours."""
    target = request.POST.get("next") or request.GET.get("next") or default
    ours = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return target if ours else default
