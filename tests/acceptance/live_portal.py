"""A whole portal for a test: launcher, web, workers and reconciler as a person's ``./run up`` starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from portal.places import BASE_DIR
from tests.fixtures.servers import RunningServer, free_port

START_SECONDS = 120


class LivePortal:
    """A running portal. Its database is on a server of the test, so the test can look into the rows."""

    def __init__(self, directory: Path, *, database_server: RunningServer, database: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        server = database_server
        self.database_url = f"postgres://{server.superuser}:{server.password}@127.0.0.1:{server.port}/{database}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "PORTAL_", "DJANGO_"))},
            "PORTAL_VAR_DIR": str(directory),
            "PORTAL_BIND": f"127.0.0.1:{self.port}",
            "DATABASE_URL": self.database_url,
            "PORTAL_ADMIN_USER": "ada",
            "PORTAL_ADMIN_PASSWORD": "a long enough test password",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything and wait until the web server answers."""
        with (self.directory / "launcher.out").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "portal.launcher", "up", "--foreground"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, (self.directory / "launcher.out").read_text()
            assert time.monotonic() < deadline, (self.directory / "launcher.out").read_text()
            time.sleep(0.3)

    def answers(self) -> bool:
        """Tell whether the web server is up."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
            return bool(response.status == 200)
        return False

    def stop(self) -> None:
        """Stop it as Ctrl-C would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` against this portal."""
        return subprocess.run(
            [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
            cwd=BASE_DIR,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read the portal's own rows."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query, parameters).fetchall()

    def processes(self) -> list[psutil.Process]:
        """Every process below the launcher."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def live_portal(directory: Path, *, database_server: RunningServer) -> Iterator[LivePortal]:
    """Run a portal for a while."""
    directory.mkdir(parents=True, exist_ok=True)
    with database_server.fresh_database() as database:
        portal = LivePortal(directory, database_server=database_server, database=database)
        try:
            portal.start()
            yield portal
        finally:
            portal.stop()
