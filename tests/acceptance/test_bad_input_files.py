"""Bad input: files that are not what they should be, given to the command line as a shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.places import BASE_DIR

pytestmark = pytest.mark.django_db(transaction=True)


def create(file: Path) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py migration create`` with a file in a process of its own."""
    return subprocess.run(
        [sys.executable, str(BASE_DIR / "manage.py"), "migration", "create", "shop", "-b", str(file)],
        cwd=BASE_DIR, env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{\n  "properties": {,}\n}', "line 2, column 18"),
        (b'{"properties": ', "line 1, column 16"),
        (b"", "The file is empty"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_malformed_json(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    done = create(file)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = create(tmp_path / "absent.json")
    assert done.returncode == 2
    assert "absent.json" in done.stderr
    assert "Traceback" not in done.stderr
