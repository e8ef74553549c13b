"""Keep the portal running: database, then web, tasks and reconciler, until somebody asks to stop."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from django.conf import settings

from portal.launcher import embedded_postgres, web_health
from portal.launcher.console import LauncherError, log
from portal.launcher.log_files import log_file, open_log, rotate_logs, tail
from portal.launcher.process_table import READY, Table, kill_recorded, write_table
from portal.launcher.process_tree import wait_for
from portal.launcher.service import Service, ServiceRunner
from portal.launcher.services import manage
from portal.launcher.watchdog import Watchdog
from portal.launcher.web_health import Health
from portal.local_postgres import Cluster, ClusterError
from portal.places import Places

TICK_SECONDS = 0.25
ROTATE_EVERY_SECONDS = 60.0
PORT_FREE_TIMEOUT_SECONDS = 5.0
PREPARE_TRIES = 30
PREPARE_PAUSE_SECONDS = 2.0


class Supervisor:
    """One run of the portal. ``cluster`` is None where DATABASE_URL names the database.

    ``on_prepared`` is called once the database is up to date, before the pages open.
    """

    def __init__(
        self,
        *,
        places: Places,
        services: Sequence[Service],
        cluster: Cluster | None,
        on_prepared: Callable[[], None] = lambda: None,
    ) -> None:
        self.places = places
        self.on_prepared = on_prepared
        self.cluster = cluster
        self.runners = [ServiceRunner(service, places=places) for service in services]
        self.watchdog = Watchdog()
        self._stop = threading.Event()
        self._phase = "starting"
        self._rotate_at = 0.0

    def run(self) -> None:
        """Start everything, keep it running, stop everything. Raises ``LauncherError`` when it cannot start."""
        self._listen_to_signals()
        self._clear_remains()
        try:
            self._start_database()
            self._prepare_database()
            self._enter("starting the services")
            while not self._stop.is_set():
                self._tick()
                self._stop.wait(TICK_SECONDS)
        finally:
            self._end()

    def stop(self) -> None:
        """Ask the loop to end."""
        self._stop.set()

    def _listen_to_signals(self) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)

    def _clear_remains(self) -> None:
        for name in kill_recorded(self.places):
            log(f"ended what an earlier launcher left of {name}")
        self._enter("starting")
        host, port = settings.BIND_HOST, settings.BIND_PORT
        if not wait_for(lambda: not web_health.is_taken(host, port), timeout_seconds=PORT_FREE_TIMEOUT_SECONDS):
            raise LauncherError(
                f"{host}:{port} cannot be bound: another program listens there, or it is no address of this machine. "
                "Stop that program, or set PORTAL_BIND to a free address such as 127.0.0.1:8001."
            )

    def _start_database(self) -> None:
        if self.cluster:
            self._enter("starting the database")
            embedded_postgres.start(self.cluster)

    def _prepare_database(self) -> None:
        """Run the schema migrations; a database that is just starting elsewhere gets a minute."""
        self._enter("preparing the database")
        for _ in range(PREPARE_TRIES):
            if self._stop.is_set():
                return
            if self._prepared():
                return self.on_prepared()
            log("the portal's database could not be prepared; trying again")
            self._stop.wait(PREPARE_PAUSE_SECONDS)
            self._keep_database()
        said = tail(log_file(self.places, "prepare"))
        raise LauncherError(f"The portal's database could not be prepared. See var/log/prepare.log:\n{said}")

    def _prepared(self) -> bool:
        output = open_log(self.places, "prepare")
        with open(output, "wb") as stream:
            return subprocess.run(manage("portal_prepare"), stdout=stream, stderr=stream, check=False).returncode == 0

    def _tick(self) -> None:
        self._keep_database()
        changed = [runner.name for runner in self.runners if runner.tick()]
        for stuck in self.watchdog.look(self.runners):
            runner = next(runner for runner in self.runners if runner.name == stuck.service)
            runner.restart(stuck.reason)
        if changed or self._became_ready():
            self._enter(self._phase)
        if time.monotonic() > self._rotate_at:
            rotate_logs(self.places)
            self._rotate_at = time.monotonic() + ROTATE_EVERY_SECONDS

    def _keep_database(self) -> None:
        if not self.cluster or self.cluster.is_running():
            return
        log("the database server ended; starting it again")
        try:
            self.cluster.start()
        except ClusterError as error:
            log(f"the database server does not start: {error}")
            self._stop.wait(PREPARE_PAUSE_SECONDS)

    def _became_ready(self) -> bool:
        if self._phase == READY or web_health.ask(settings.BIND_HOST, settings.BIND_PORT) is not Health.GOOD:
            return False
        log("ready")
        self._phase = READY
        return True

    def _enter(self, phase: str) -> None:
        self._phase = phase
        entries = tuple(entry for runner in self.runners if (entry := runner.entry()))
        write_table(self.places, Table(phase, entries))

    def _end(self) -> None:
        log("stopping")
        self._phase = "stopping"
        for runner in self.runners:
            runner.ask_to_end()
        asked_at = time.monotonic()
        for runner in self.runners:
            runner.finish(deadline=asked_at + runner.service.grace_seconds)
        if self.cluster:
            embedded_postgres.stop(self.cluster)
        write_table(self.places, Table("stopped"))
        log("stopped")
