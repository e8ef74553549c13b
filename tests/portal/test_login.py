"""Getting in, and what somebody sees who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app.models import ProcessHeartbeat
from migrations_app.services.liveness import ProcessKind, beat
from tests.fixtures.people import PASSWORD
from tests.portal.wizard_steps import page_text


def test_every_page_asks_for_a_login(client: Client, db: None) -> None:
    response = client.get(reverse("servers"))
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('login')}?next=/servers/"


def test_a_fragment_of_an_ended_session_sends_the_whole_page_to_the_login(client: Client, db: None) -> None:
    url = reverse("migration-name-available")
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/migrations/new/?a=1"}
    response = client.get(url, headers=headers)
    assert response.headers["HX-Redirect"] == f"{reverse('login')}?next=/migrations/new/%3Fa%3D1"
    assert response.content == b""


def test_the_login_goes_on_to_the_page_that_was_asked_for(client: Client, dana: User) -> None:
    response = client.post(f"{reverse('login')}?next=/servers/", {"username": "dana", "password": PASSWORD})
    assert response["Location"] == "/servers/"


def test_a_wrong_password_is_told_kindly_and_not_sent_back(client: Client, dana: User) -> None:
    response = client.post(reverse("login"), {"username": "dana", "password": "a wrong one"})
    assert response.status_code == 200
    assert "No account has this name and password" in page_text(response)
    assert "a wrong one" not in response.content.decode()
    assert 'value="dana"' in response.content.decode()


def test_somebody_in_no_group_learns_whom_to_ask(client_of: Callable[[User], Client], eve: User) -> None:
    response = client_of(eve).get("/servers/")
    assert response.status_code == 403
    assert "Your account is in no group yet" in page_text(response)


def test_somebody_in_no_group_can_log_out(client_of: Callable[[User], Client], eve: User) -> None:
    assert client_of(eve).post(reverse("logout")).status_code == 302


def test_a_bar_tells_that_no_worker_answers(client_of: Callable[[User], Client], lee: User) -> None:
    assert "No worker has answered yet: migrations wait." in page_text(client_of(lee).get("/servers/"))
    beat(ProcessKind.WORKER)
    assert "igrations wait" not in page_text(client_of(lee).get("/servers/"))
    ProcessHeartbeat.objects.update(seen_at=timezone.now() - timedelta(seconds=95))
    assert "No worker answers; the last one did 1 min ago . Migrations wait." in page_text(
        client_of(lee).get("/servers/")
    )


def test_an_unknown_address_is_told_kindly(client_of: Callable[[User], Client], lee: User) -> None:
    response = client_of(lee).get("/nothing/here/")
    assert response.status_code == 404
    assert "The address is wrong, or what it showed is gone." in page_text(response)


def test_a_form_that_is_too_old_says_that_nothing_was_done(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post(reverse("login"), {"username": "dana"})
    assert response.status_code == 403
    assert "Nothing was done." in page_text(response)


@pytest.mark.parametrize("theme", ["dark", "light", ""])
def test_the_theme_is_remembered(client: Client, db: None, theme: str) -> None:
    client.post(reverse("theme"), {"theme": theme, "next": reverse("login")})
    page = client.get(reverse("login")).content.decode()
    assert f'data-bs-theme="{theme or "light"}"' in page
    assert ("data-theme-chosen" in page) is bool(theme)


def test_the_theme_form_leads_to_no_other_site(client: Client, db: None) -> None:
    response = client.post(reverse("theme"), {"theme": "dark", "next": "https://example.org/"})
    assert response["Location"] == "/"


def test_pages_have_no_inline_script_and_a_strict_policy(client: Client, db: None) -> None:
    response = client.get(reverse("login"))
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert " style=" not in response.content.decode()


def test_a_wrong_old_password_is_told_in_our_words(client_of: Callable[[User], Client], lee: User) -> None:
    fields = {"old_password": "wrong", "new_password1": "a new horse, a battery", "new_password2": "another one"}
    text = page_text(client_of(lee).post(reverse("password_change"), fields))
    assert "This is not your old password. Nothing was changed." in text
    assert "The two new passwords are not the same." in text
    assert "lease" not in text


def test_a_person_changes_their_password(client_of: Callable[[User], Client], lee: User) -> None:
    new = "a new horse, a new battery"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    response = client_of(lee).post(reverse("password_change"), fields)
    assert response.status_code == 302
    lee.refresh_from_db()
    assert lee.check_password(new)
