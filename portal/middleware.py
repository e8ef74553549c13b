"""Where a request comes from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

WITH_PORT = re.compile(r"(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::[0-9]+)?")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ClientAddressMiddleware:
    """Puts the client's own address into ``REMOTE_ADDR`` when the request came through a trusted proxy."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Read ``X-Forwarded-For`` from the right, past the trusted proxies."""
        hops = [without_port(hop) for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        address = request.META.get("REMOTE_ADDR", "")
        while hops and is_trusted_proxy(address):
            address = hops.pop()
        if is_address(address):
            request.META["REMOTE_ADDR"] = address
        return self.get_response(request)


def without_port(hop: str) -> str:
    """Return the address of ``1.2.3.4:5678`` or ``[2001:db8::1]:5678``, which Azure's gateways write."""
    found = WITH_PORT.fullmatch(hop.strip())
    return (found["v4"] or found["v6"]) if found else hop.strip()


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
