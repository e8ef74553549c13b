"""What every test may use: servers, people, migrations. See tests/fixtures."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from portal.local_postgres import installations
from portal.local_postgres.binaries import MAJORS
from tests.fixtures import reaper, session

pytest_plugins = [
    "tests.fixtures.portal_database",
    "tests.fixtures.servers",
    "tests.fixtures.people",
    "tests.fixtures.migrations",
]

_reapers: list[subprocess.Popen[bytes]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start the reaper in the session's first process; workers' servers are below the same directory."""
    directory = session.root_dir()
    if os.environ.get("PORTAL_TEST_REAPER") is None:
        os.environ["PORTAL_TEST_REAPER"] = "started"
        _reapers.append(reaper.start(directory))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the reaper delete the session's directory, and end what a test left running there."""
    for process in _reapers:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the PostgreSQL versions that tests can use."""
    found = installations().values()
    missing = sorted(set(MAJORS) - {one.major for one in found})
    lines = ["PostgreSQL: " + ", ".join(f"{one.version} ({one.origin.split()[-1]})" for one in found)]
    if missing:
        lines.append(f"PostgreSQL missing: {', '.join(map(str, missing))}; their tests fail until `npm ci` was run")
    return lines


@pytest.fixture(scope="session", autouse=True)
def _no_inherited_client_settings() -> Iterator[None]:
    """Forget PGHOST, PGPASSWORD and the like of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PG")]:
            patch.delenv(name)
        yield
