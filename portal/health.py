"""``/healthz``: whether the portal answers and reaches its database. No login, no session."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"


class HealthMiddleware:
    """Answers ``/healthz`` before hosts, TLS and logins are looked at: a load balancer knows none of them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the health question, or pass the request on."""
        if request.path_info == HEALTH_PATH:
            return health()
        return self.get_response(request)


def health() -> HttpResponse:
    """Return 200 when the portal's database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("the portal's database does not answer")
        return JsonResponse({"portal": "up", "database": "down"}, status=503)
    return JsonResponse({"portal": "up", "database": "up"})
