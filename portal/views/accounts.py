"""Logging in and out, the person's password and theme."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from portal.access import Permission, require
from portal.forms.login import LoginForm
from portal.http import THEME_COOKIE, THEMES, safe_next

THEME_COOKIE_SECONDS = 365 * 86400


class Login(views.LoginView):
    """The login page; somebody who is logged in already goes on."""

    form_class = LoginForm
    redirect_authenticated_user = True


class Logout(views.LogoutView):
    """Log out, by POST only."""


class OwnPasswordForm(PasswordChangeForm):
    """The old password once, the new one twice, with errors in our words."""

    error_messages = {
        "password_incorrect": "This is not your old password. Nothing was changed.",
        "password_mismatch": "The two new passwords are not the same.",
    }


class ChangePassword(views.PasswordChangeView):
    """Change one's own password."""

    form_class = OwnPasswordForm
    template_name = "registration/change_password.html"
    success_url = "/"

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Save, and say so on the page the person comes to."""
        messages.success(self.request, "Your password is changed. Other sessions of yours are logged out.")
        return super().form_valid(form)


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """Log in to the history as everywhere else; somebody who is logged in and came here may not enter it."""
    if request.user.is_authenticated:
        require(request, Permission.ADMINISTER)
        return redirect(safe_next(request, default=reverse("admin:index")))
    return redirect_to_login(safe_next(request, default=reverse("admin:index")))


@login_not_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark, or (empty) what the system says."""
    chosen = request.POST.get("theme", "")
    response = redirect(safe_next(request))
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_COOKIE_SECONDS, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
