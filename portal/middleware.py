"""What happens to every request: who asks, from where, in which time zone."""

from __future__ import annotations

import ipaddress
import zoneinfo
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ClientAddressMiddleware:
    """Puts the client's own address into ``REMOTE_ADDR`` when the request came through a trusted proxy."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Read ``X-Forwarded-For`` from the right, past the trusted proxies."""
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        address = request.META.get("REMOTE_ADDR", "")
        while hops and is_trusted_proxy(address):
            address = hops.pop()
        if is_address(address):
            request.META["REMOTE_ADDR"] = address
        return self.get_response(request)


class HtmxLoginMiddleware:
    """Sends an htmx request of an ended session to the login page as a whole, not into a fragment of the page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Turn a redirect to the login page into ``HX-Redirect``, coming back to the page and not to the fragment."""
        response = self.get_response(request)
        if not request.headers.get("HX-Request") or response.status_code != 302:
            return response
        login_path = resolve_url(settings.LOGIN_URL)
        if urlsplit(response.headers["Location"]).path != login_path:
            return response
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
        came_from = page._replace(scheme="", netloc="", fragment="").geturl() or "/"
        location = redirect_to_login(came_from, login_path).url
        return HttpResponse(status=204, headers={"HX-Redirect": location})


class TimeZoneMiddleware:
    """Shows times in the zone that the browser put into its ``timezone`` cookie."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Activate the zone for this request; an unknown one leaves the portal's own."""
        name = request.COOKIES.get("timezone", "")
        if name not in zoneinfo.available_timezones():
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)


def is_address(word: str) -> bool:
    """Tell whether ``word`` is an IP address."""
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def is_trusted_proxy(word: str) -> bool:
    """Tell whether ``word`` is the address of a proxy named in PORTAL_TRUSTED_PROXIES."""
    return is_address(word) and any(ipaddress.ip_address(word) in network for network in settings.TRUSTED_PROXIES)
