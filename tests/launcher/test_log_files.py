"""Logs stay short, and hold no password."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from portal.launcher import log_files
from portal.log_format import LineFormatter
from portal.places import Places


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(log_files, "LARGEST_BYTES", 100)
    places = Places(tmp_path)
    places.log_dir.mkdir()
    return places


def test_a_large_log_is_rotated_under_its_writer(places: Places) -> None:
    descriptor = log_files.open_log(places, "web")
    try:
        for number in range(7):
            os.write(descriptor, f"{number}".encode() * 150)
            log_files.rotate_logs(places)
        os.write(descriptor, b"last")
    finally:
        os.close(descriptor)
    contents = {file.name: file.read_text()[:1] for file in places.log_dir.iterdir()}
    assert contents == {"web.log": "l", "web.log.1": "6", "web.log.2": "5", "web.log.3": "4", "web.log.4": "3"}


def test_a_short_log_is_left_alone(places: Places) -> None:
    log_files.log_file(places, "web").write_text("short")
    log_files.rotate_logs(places)
    assert [file.name for file in places.log_dir.iterdir()] == ["web.log"]


def test_the_tail_of_a_missing_log_is_empty(places: Places) -> None:
    assert log_files.tail(log_files.log_file(places, "none")) == ""


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("host=db user=me password=hunter2 dbname=x", "host=db user=me password=*** dbname=x"),
        (r"password='it\'s secret' host=db", "password=*** host=db"),
        ("postgres://me:hunter2@db:5432/x", "postgres://me:***@db:5432/x"),
        ("Password: hunter2", "Password: ***"),
        ("http://127.0.0.1:8000/ and https://host/a@b", "http://127.0.0.1:8000/ and https://host/a@b"),
    ],
)
def test_credentials_do_not_reach_the_log(said: str, logged: str) -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, said, None, None)
    assert LineFormatter("{message}", style="{").format(record) == logged
