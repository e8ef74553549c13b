"""The first administrator's password reaches a person, and no log."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from portal.launcher.first_admin import ensure_first_admin
from portal.places import Places

pytestmark = pytest.mark.django_db


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path)
    places.secrets_dir.mkdir()
    return places


def test_without_a_terminal_the_password_is_in_a_private_file(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORTAL_ADMIN_PASSWORD", raising=False)
    places.first_admin_file.write_text("of an earlier portal")
    ensure_first_admin(places)
    password = places.first_admin_file.read_text().strip()
    said = capsys.readouterr().out
    assert str(places.first_admin_file) in said
    assert password not in said
    assert stat.S_IMODE(places.first_admin_file.stat().st_mode) == 0o600
    assert User.objects.get(is_superuser=True).check_password(password)


def test_a_given_password_is_written_nowhere(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTAL_ADMIN_PASSWORD", "given-by-hand-1")
    ensure_first_admin(places)
    assert "given-by-hand-1" not in capsys.readouterr().out
    assert not places.first_admin_file.exists()
    assert User.objects.get(is_superuser=True).check_password("given-by-hand-1")
