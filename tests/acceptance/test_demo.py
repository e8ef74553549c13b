"""``./run demo``: from nothing to a migration that succeeded and is proved, twice, and nothing left after ``down``."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.launcher.instance import running_pid
from portal.places import BASE_DIR, Places
from tests.fixtures.session import worker_dir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Portal:
    """A portal with data, port and settings of its own, used through ``./run`` alone."""

    def __init__(self, var_dir: Path) -> None:
        self.places = Places(var_dir)
        self.port = free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        for name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE"):
            self.environment.pop(name, None)
        self.environment |= {"PORTAL_VAR_DIR": str(var_dir), "PORTAL_BIND": f"127.0.0.1:{self.port}"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``./run`` with these words."""
        return subprocess.run(
            [BASE_DIR / "run", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            cwd="/",
            check=False,
        )

    def processes(self) -> list[psutil.Process]:
        """Every process whose command line or folder names this portal's data."""
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            ours = str(self.places.var_dir) in f"{process.cmdline()} {process.environ()} {process.cwd()}"
            return ours and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal(worker_dir() / "a portal with a space in its path")
    yield portal
    portal.run("down")


def test_the_demo_ends_with_proof_and_can_be_repeated(portal: Portal) -> None:
    first = portal.run("demo", "--size", "small")
    assert first.returncode == 0, first.stdout
    assert "Proved: source and target are identical." in first.stdout
    assert re.search(r"Log in as    demo / \S{10,}", first.stdout)
    address = f"http://127.0.0.1:{portal.port}/"
    assert address in first.stdout
    with urllib.request.urlopen(f"{address}login/") as response:
        assert response.status == 200

    second = portal.run("demo", "--size", "small")
    assert second.returncode == 0, second.stdout
    assert "demo-2" in second.stdout
    assert "Building the sample" not in second.stdout

    status = portal.run("status")
    assert (status.returncode, status.stdout.count("does not")) == (0, 0), status.stdout
    assert portal.run("down").returncode == 0
    assert running_pid(portal.places) is None
    assert portal.processes() == []
    assert portal.run("status").returncode == 3

    after_down = portal.run("demo", "--size", "small")
    assert after_down.returncode == 0, after_down.stdout
    password = re.search(r"Log in as    demo / (\S+)", after_down.stdout)
    assert password
    logs = [file.read_text(errors="replace") for file in portal.places.log_dir.iterdir()]
    assert not any(password[1] in log for log in logs)
