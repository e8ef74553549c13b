"""Who may open which page, and how a page asks for a migration."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url

from migrations_app import access
from migrations_app.models import Migration

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class Permission(StrEnum):
    """What somebody wants to do."""

    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"


WORDS = {
    Permission.VIEW: "Looking at migrations needs the group Viewers, Operators or Administrators.",
    Permission.OPERATE: "Creating, starting and canceling migrations needs the group Operators or Administrators.",
    Permission.ADMINISTER: "This needs the group Administrators.",
}


def may(user: Any, permission: Permission) -> bool:
    """Tell whether ``user`` has ``permission``; nobody has any before logging in."""
    rules = {
        Permission.VIEW: access.may_view,
        Permission.OPERATE: access.may_operate,
        Permission.ADMINISTER: access.may_administer,
    }
    return bool(user.is_authenticated and rules[permission](user))


def require(request: HttpRequest, permission: Permission) -> None:
    """Raise ``PermissionDenied`` with words for a person unless the viewer has ``permission``."""
    if not may(request.user, permission):
        raise PermissionDenied(WORDS[permission])


def needs(permission: Permission) -> Callable[[View[P]], View[P]]:
    """Decorate a view so that only people with ``permission`` reach it."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            require(request, permission)
            return view(request, *args, **kwargs)

        return checked

    return decorate


def person(request: HttpRequest) -> User:
    """Return who is logged in; every view behind the login has one. Raises ``PermissionDenied``."""
    if not isinstance(request.user, User):
        raise PermissionDenied(WORDS[Permission.VIEW])
    return request.user


def get_migration_for(request: HttpRequest, pk: UUID, permission: Permission = Permission.VIEW) -> Migration:
    """Return the migration, or raise ``Http404`` (none such) or ``PermissionDenied`` (not for this person)."""
    require(request, permission)
    migration = Migration.objects.select_related("source", "target", "created_by").filter(pk=pk).first()
    if migration is None:
        raise Http404("There is no such migration; it may have been a draft that was discarded.")
    return migration


class LoginRequiredMiddleware(DjangoLoginRequiredMiddleware):
    """Login for everything. A fragment whose session ended sends the whole page to the login, not the login into it."""

    def handle_no_permission(  # type: ignore[override]  # an answer to htmx is not a redirect
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        """Redirect to the login page, by ``HX-Redirect`` when htmx asked; then back to the page, not the fragment."""
        if not request.headers.get("HX-Request"):
            return super().handle_no_permission(request, view_func)
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
        came_from = page._replace(scheme="", netloc="", fragment="").geturl() or "/"
        login = redirect_to_login(came_from, resolve_url(self.get_login_url(view_func)))
        return HttpResponse(status=204, headers={"HX-Redirect": login.url})


class GroupRequiredMiddleware:
    """People in no group see a page that says whom to ask. Views marked ``open_to_everybody`` are exempt."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: tuple[Any, ...], view_kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Stop people without a role before the view runs."""
        if not request.user.is_authenticated or may(request.user, Permission.VIEW):
            return None
        if getattr(view_func, "open_to_everybody", False) or not getattr(view_func, "login_required", True):
            return None
        return render(request, "registration/no_group.html", status=403)


def open_to_everybody(view: Any) -> Any:
    """Mark a view as reachable by anybody who is logged in, in whatever group."""
    view.open_to_everybody = True
    return view
