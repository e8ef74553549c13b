"""What every page knows: who looks, in which theme, and whether workers answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.access import Permission, may
from portal.http import THEME_COOKIE, THEMES
from portal.polling import workers_of


def portal(request: HttpRequest) -> dict[str, Any]:
    """Return the variables of ``base.html``; fragments do not ask for the workers."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    user = getattr(request, "user", None)
    may_view = user is not None and may(user, Permission.VIEW)
    may_operate = may_view and may(user, Permission.OPERATE)
    may_administer = may_view and may(user, Permission.ADMINISTER)
    return {
        "portal_theme": theme if theme in THEMES else "",
        "portal_may_view": may_view,
        "portal_may_operate": may_operate,
        "portal_may_administer": may_administer,
        "portal_role": _role(may_view, may_operate, may_administer),
        "portal_workers": workers_of(request) if may_view and not request.headers.get("HX-Request") else None,
    }


def _role(may_view: bool, may_operate: bool, may_administer: bool) -> str:
    if may_administer:
        return "Administrator"
    return "Operator" if may_operate else "Viewer" if may_view else "In no group yet"
