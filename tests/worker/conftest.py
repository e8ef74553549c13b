"""A cluster and a reconciler as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from migrations_app.models import Migration
from portal.local_postgres.binaries import CHECKOUT
from tests.fixtures.migrations import note_tests
from tests.services.conftest import SOURCE, TARGET


def wait_for(condition: Callable[[], object], *, seconds: float = 40, what: str = "it") -> None:
    """Wait until ``condition`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.1)


class PortalProcess:
    """A process of the portal, and its children by name."""

    def __init__(self, *command: str, log: Path) -> None:
        self.command = command
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_WORKERS": "2"}
        environment |= {"Q_CLUSTER_NAME": "long", "PYTHONPATH": str(CHECKOUT)}
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *self.command], cwd=CHECKOUT, env=environment, stdout=stream, stderr=stream
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def tree(self) -> list[psutil.Process]:
        """This process and everything below it."""
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def named(self, name: str) -> list[int]:
        """Process ids of the children with this name, such as ``portal-worker``."""
        return sorted(pid for process in self.tree() if comm(pid := process.pid) == name)

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(40)

    def end(self) -> None:
        """End it and everything below, whatever state it is in."""
        tree = self.tree()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        psutil.wait_procs(tree, timeout=10)


def comm(pid: int) -> str:
    """The name a process gave itself; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def cluster(transactional_db: None, tmp_path: Path) -> Iterator[PortalProcess]:
    """A running cluster with two workers and the slow engine."""
    process = PortalProcess("-m", "tests.worker.slow_cluster", log=tmp_path / "cluster.log")
    process.start()
    try:
        wait_for(lambda: len(process.named("portal-worker")) == 2 and process.named("portal-pusher"), what="the start")
        yield process
    finally:
        process.end()
        sys.stdout.write(process.log.read_text()[-6000:])


@pytest.fixture
def reconciler(transactional_db: None, tmp_path: Path) -> Iterator[PortalProcess]:
    """A running reconciler."""
    process = PortalProcess("manage.py", "portal_reconciler", log=tmp_path / "reconciler.log")
    process.start()
    try:
        yield process
    finally:
        process.end()
        sys.stdout.write(process.log.read_text()[-3000:])


@pytest.fixture
def draft(make_migration: Callable[..., Migration], transactional_db: None) -> Migration:
    """A complete draft of one database; its servers do not exist, and the slow engine does not look for them."""
    migration = make_migration(source=SOURCE, target=TARGET, databases=["shop"])
    note_tests()
    return migration
