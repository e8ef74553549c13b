"""Settings are read from the environment, and a bad one says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env


def test_a_value_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    monkeypatch.setenv("PORTAL_SECRET_KEY_FILE", str(secret))
    monkeypatch.delenv("PORTAL_SECRET_KEY", raising=False)
    assert env.text("PORTAL_SECRET_KEY") == "from the file"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET_KEY_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("PORTAL_SECRET_KEY", "direct")
    assert env.text("PORTAL_SECRET_KEY") == "direct"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X_FILE names .*missing"):
        env.text("PORTAL_X")


def test_an_empty_variable_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    monkeypatch.setenv("PORTAL_X", " ")
    assert env.text("PORTAL_X", default="default") == "default"
    assert env.flag("PORTAL_X", default=True) is True
    assert env.path("PORTAL_X", default=tmp_path) == tmp_path
    monkeypatch.setenv("PORTAL_X_FILE", str(secret))
    assert env.text("PORTAL_X", default="default") == "from the file"


@pytest.mark.parametrize(("word", "meaning"), [("1", True), ("Yes", True), ("off", False)])
def test_flags_take_words(word: str, meaning: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", word)
    assert env.flag("PORTAL_X", default=not meaning) is meaning


@pytest.mark.parametrize("word", ["maybe", "2"])
def test_other_words_are_no_flags(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", word)
    with pytest.raises(ImproperlyConfigured, match="set it to 1 or 0"):
        env.flag("PORTAL_X")


@pytest.mark.parametrize("word", ["-1", "0", "many", "1.5", "²"])
def test_numbers_are_checked(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", word)
    with pytest.raises(ImproperlyConfigured, match="whole number of at least 1"):
        env.number("PORTAL_X", default=4)


def test_lists_take_commas_spaces_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", " a, b\nc ")
    assert env.names("PORTAL_X") == ["a", "b", "c"]


def test_networks_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", "10.0.0.0/8, 192.0.2.7")
    assert [str(network) for network in env.networks("PORTAL_X")] == ["10.0.0.0/8", "192.0.2.7/32"]
    monkeypatch.setenv("PORTAL_X", "10.0.0.1/8")
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X: .*host bits"):
        env.networks("PORTAL_X")


@pytest.mark.parametrize(("text", "parts"), [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8000", ("[::1]", 8000))])
def test_bind_addresses_have_host_and_port(text: str, parts: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", text)
    assert env.bind_address("PORTAL_X", default="") == parts


@pytest.mark.parametrize("text", ["8000", ":8000", "localhost", "localhost:0", "localhost:70000", "localhost:http"])
def test_other_bind_addresses_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", text)
    with pytest.raises(ImproperlyConfigured, match="write it as"):
        env.bind_address("PORTAL_X", default="")


def test_dotenv_gives_what_the_environment_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", "environment")
    monkeypatch.setenv("PORTAL_Y", "")
    monkeypatch.delenv("PORTAL_Y")
    file = tmp_path / ".env"
    file.write_text("# comment\n\nPORTAL_X=file\nPORTAL_Y='with spaces'\nnot a line\n")
    env.load_dotenv(file)
    assert env.text("PORTAL_X") == "environment"
    assert env.text("PORTAL_Y") == "with spaces"
