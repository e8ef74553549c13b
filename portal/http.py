"""Small facts about a request: its address, what htmx wants, where to go next."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

ZONE_COOKIE = "timezone"
THEME_COOKIE = "portal_theme"
THEMES = ("light", "dark")


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The names of all time zones; reading them walks a directory tree, so it is done once."""
    return frozenset(zoneinfo.available_timezones())


class ViewerZoneMiddleware:
    """Show times in the zone that the viewer's browser put into a cookie; the portal's own until it has."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = request.COOKIES.get(ZONE_COOKIE, "")
        if name not in zone_names():
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)


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
    hosts = {request.get_host()}
    return target if url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure()) else default
