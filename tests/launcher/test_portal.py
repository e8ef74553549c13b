"""The whole portal under its launcher: it starts, outlives the death of anything, and stops without remains."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from portal.launcher import web_health
from portal.launcher.instance import running_pid
from portal.launcher.process_table import Entry, read_table
from portal.launcher.process_tree import wait_for
from portal.launcher.web_health import Health
from portal.local_postgres.processes import postmaster_pid
from tests.acceptance.test_demo import Portal
from tests.fixtures.session import worker_dir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RECOVERY_SECONDS = 30


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    portal = Portal(worker_dir() / "supervised")
    started = portal.run("up")
    assert started.returncode == 0, started.stdout
    assert f"Administrator admin created. The password is in {portal.places.first_admin_file};" in started.stdout
    assert portal.places.first_admin_file.read_text().strip() not in started.stdout
    yield portal
    portal.run("down")
    assert portal.processes() == []


def answers(portal: Portal) -> bool:
    return web_health.ask("127.0.0.1", portal.port) is Health.GOOD


def entry(portal: Portal, name: str) -> Entry | None:
    return next((one for one in read_table(portal.places).entries if one.name == name), None)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_second_up_finds_it_running(portal: Portal) -> None:
    again = portal.run("up")
    assert again.returncode == 0
    assert "Administrator" not in again.stdout
    assert f"http://127.0.0.1:{portal.port}/" in again.stdout


@pytest.mark.parametrize("name", ["web", "tasks", "long-tasks", "reconciler"])
def test_a_killed_service_comes_back(portal: Portal, name: str) -> None:
    before = entry(portal, name)
    assert before
    kill(before.pid)

    def is_back() -> bool:
        now = entry(portal, name)
        return now is not None and now.mark != before.mark and now.process.is_alive() and answers(portal)

    assert wait_for(is_back, timeout_seconds=RECOVERY_SECONDS)
    assert before.process.tree() == []


def test_a_killed_database_server_comes_back(portal: Portal) -> None:
    before = postmaster_pid(portal.places.postgres_dir)
    assert before
    kill(before)
    assert wait_for(
        lambda: postmaster_pid(portal.places.postgres_dir) not in (None, before) and answers(portal),
        timeout_seconds=RECOVERY_SECONDS,
    )


def test_a_killed_launcher_leaves_nothing_in_the_way_of_the_next(portal: Portal) -> None:
    before = read_table(portal.places).entries
    launcher = running_pid(portal.places)
    assert launcher
    kill(launcher)
    assert wait_for(lambda: running_pid(portal.places) is None, timeout_seconds=5)
    assert portal.run("status").returncode in (1, 3)
    started = portal.run("up")
    assert started.returncode == 0, started.stdout
    assert all(one.process.tree() == [] for one in before)
    assert portal.run("status").returncode == 0


def test_two_portals_cannot_share_a_port(portal: Portal) -> None:
    other = Portal(worker_dir() / "other")
    other.environment["PORTAL_BIND"] = f"127.0.0.1:{portal.port}"
    refused = other.run("up")
    assert refused.returncode == 1
    assert "set PORTAL_BIND to a free address" in refused.stdout
    assert other.processes() == []


def test_it_stops_within_seconds(portal: Portal) -> None:
    began_at = time.monotonic()
    down = portal.run("down")
    assert (down.returncode, down.stdout) == (0, "Stopping the portal ...\nThe portal is down.\n")
    assert time.monotonic() - began_at < 30
    assert portal.processes() == []
    assert portal.run("down").stdout == "The portal was not running.\n"
