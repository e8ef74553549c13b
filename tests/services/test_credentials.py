"""Passwords at rest."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from migrations_app.models import MigrationEndpoint, SavedConnection
from migrations_app.services.credentials import (
    CredentialsUnreadable,
    forget_password,
    new_key,
    open_password,
    rotate_keys,
    seal_password,
)


def sealed(password: str) -> MigrationEndpoint:
    row = MigrationEndpoint(host="db.example", username="dba")
    seal_password(row, password)
    return row


@pytest.mark.parametrize("password", ["simple", "with 'quotes' and \\", "Пароль 密码 🔑", "x" * 1000])
def test_a_password_comes_back_as_it_was(password: str) -> None:
    assert open_password(sealed(password)) == password


def test_no_password_is_no_password() -> None:
    assert open_password(sealed("")) == ""


def test_the_stored_form_tells_nothing() -> None:
    row = sealed("a very secret word")
    assert row.sealed_password.startswith("v1:")
    assert "secret" not in row.sealed_password
    assert row.sealed_password != sealed("a very secret word").sealed_password


def test_a_password_copied_to_another_row_does_not_open() -> None:
    thief = MigrationEndpoint(host="evil.example")
    thief.sealed_password = sealed("secret").sealed_password
    with pytest.raises(CredentialsUnreadable, match="does not open") as raised:
        open_password(thief)
    assert "Type the password again" in raised.value.hint


def test_a_missing_key_is_named_with_its_remedy(settings: Settings) -> None:
    row = sealed("secret")
    key_id = row.sealed_password.split(":")[1]
    settings.PORTAL_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(CredentialsUnreadable, match=key_id) as raised:
        open_password(row)
    assert "PORTAL_ENCRYPTION_KEYS" in raised.value.hint


@pytest.mark.parametrize("keys", [[], ["too short"], ["AAAA"]])
def test_a_useless_key_is_an_error_with_a_remedy(settings: Settings, keys: list[str]) -> None:
    settings.PORTAL_ENCRYPTION_KEYS = keys
    with pytest.raises(CredentialsUnreadable) as raised:
        sealed("secret")
    assert raised.value.hint


@pytest.mark.parametrize("stored", ["v2:abc:AAAA", "plain text", "v1:abc"])
def test_an_unknown_form_is_an_error_and_never_the_password(stored: str) -> None:
    with pytest.raises(CredentialsUnreadable, match="not in a form"):
        open_password(MigrationEndpoint(host="db.example", sealed_password=stored))


@pytest.mark.django_db
def test_rotation_seals_every_password_with_the_newest_key(settings: Settings) -> None:
    old_keys = settings.PORTAL_ENCRYPTION_KEYS
    endpoint = sealed("endpoint secret")
    saved = SavedConnection(name="prod", host="db.example")
    seal_password(saved, "saved secret")
    endpoint.save()
    saved.save()
    settings.PORTAL_ENCRYPTION_KEYS = [new_key(), *old_keys]
    assert rotate_keys().resealed == 2
    assert (rotate_keys().resealed, rotate_keys().current) == (0, 2)
    settings.PORTAL_ENCRYPTION_KEYS = settings.PORTAL_ENCRYPTION_KEYS[:1]
    endpoint.refresh_from_db()
    saved.refresh_from_db()
    assert (open_password(endpoint), open_password(saved)) == ("endpoint secret", "saved secret")


@pytest.mark.django_db
def test_rotation_names_what_it_cannot_open_and_goes_on(settings: Settings) -> None:
    lost = sealed("lost")
    lost.save()
    settings.PORTAL_ENCRYPTION_KEYS = [new_key()]
    sealed("known").save()
    settings.PORTAL_ENCRYPTION_KEYS = [new_key(), *settings.PORTAL_ENCRYPTION_KEYS]
    done = rotate_keys()
    assert done.resealed == 1
    assert len(done.unreadable) == 1
    lost_before = lost.sealed_password
    lost.refresh_from_db()
    assert lost.sealed_password == lost_before


@pytest.mark.django_db
def test_a_forgotten_password_is_gone_from_the_database() -> None:
    row = sealed("secret")
    row.save()
    forget_password(row)
    assert row.sealed_password == ""
    row.refresh_from_db()
    assert open_password(row) == ""
