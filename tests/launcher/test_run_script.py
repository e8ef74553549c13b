"""``./run`` works with a plain POSIX shell, says what it can do, and CI runs nothing else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from portal.places import BASE_DIR

RUN = BASE_DIR / "run"
COMMANDS = ("demo", "up", "down", "status", "manage", "check", "test", "benchmark", "campaign", "help")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUN, *words], capture_output=True, text=True, env=os.environ | environment, check=False)


def test_it_is_a_script_for_any_posix_shell() -> None:
    assert RUN.read_text().startswith("#!/bin/sh\n")
    assert RUN.stat().st_mode & stat.S_IXUSR
    for shell in ("dash", "sh"):
        if path := shutil.which(shell):
            assert subprocess.run([path, "-n", RUN], check=False).returncode == 0


def test_help_names_every_command() -> None:
    shown = run("help")
    assert shown.returncode == 0
    assert all(f"  {command}" in shown.stdout for command in COMMANDS)
    assert run().stdout == shown.stdout


def test_an_unknown_command_is_refused_with_help() -> None:
    refused = run("frobnicate")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "usage: ./run COMMAND" in refused.stderr


def test_ci_runs_the_tests_and_nothing_else() -> None:
    script = (BASE_DIR / ".ci/run").read_text()
    commands = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."', "exec ./run test"]


@pytest.mark.parametrize("command", ["down", "status"])
def test_what_is_installed_stops_and_tells_without_installing(tmp_path: Path, command: str) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".venv/bin").mkdir(parents=True)
    shutil.copy(RUN, checkout / "run")
    (checkout / "requirements.txt").write_text("changed-since\n")
    fake = checkout / ".venv/bin/python"
    fake.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "ran $*"\n')
    fake.chmod(0o755)
    said = subprocess.run([checkout / "run", command], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"ran -m portal.launcher {command}\n", "")
    assert not (checkout / "var").exists()


@pytest.mark.parametrize(
    ("lines", "bad"),
    [("PORTAL_BIND=nowhere", "PORTAL_BIND is not an address"), ("PORTAL_WORKERS=lots", "PORTAL_WORKERS is 'lots'")],
)
def test_a_bad_setting_is_said_without_a_traceback(tmp_path: Path, lines: str, bad: str) -> None:
    name, _, value = lines.partition("=")
    said = run(
        "status", PORTAL_VAR_DIR=str(tmp_path / "var"), DJANGO_SETTINGS_MODULE="portal.settings", **{name: value}
    )
    assert said.returncode == 1
    assert bad in said.stderr
    assert "Traceback" not in said.stderr


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = run("status", PORTAL_VAR_DIR=str(tmp_path / "file/var"), DJANGO_SETTINGS_MODULE="portal.settings")
    assert said.returncode == 1
    assert "Set PORTAL_VAR_DIR to a folder of this user." in said.stderr
