"""Start the portal: in the background, or attached to the terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from django.conf import settings

from portal.launcher import web_health
from portal.launcher.console import LauncherError, say
from portal.launcher.embedded_postgres import embedded_cluster
from portal.launcher.first_admin import ensure_first_admin
from portal.launcher.instance import AlreadyRunning, only_instance, running_pid
from portal.launcher.log_files import log_file, open_log, tail
from portal.launcher.process_table import READY, Table, read_table, write_table
from portal.launcher.process_tree import wait_for
from portal.launcher.services import portal_services
from portal.launcher.supervisor import Supervisor
from portal.launcher.web_health import Health
from portal.places import BASE_DIR, Places

LAUNCHER_LOG = "launcher"
UP_TIMEOUT_SECONDS = 180
LAUNCH_TIMEOUT_SECONDS = 30


def up(places: Places) -> None:
    """Start the portal in the background; return when it answers and has an administrator."""
    start(places)
    ensure_first_admin(places)
    say(f"The portal answers at {address()}   (stop it with ./run down)")


def start(places: Places) -> None:
    """Start the portal in the background unless it runs; return when it answers. Raises ``LauncherError``."""
    if running_pid(places) is None:
        launch(places)
    wait_until_ready(places)


def up_in_foreground(places: Places) -> None:
    """Run the portal attached to the terminal until SIGTERM or SIGINT."""

    def before_pages_open() -> None:
        ensure_first_admin(places)
        say(f"The portal opens at {address()}")

    supervise(places, on_prepared=before_pages_open)


def supervise(places: Places, *, on_prepared: Callable[[], None] = lambda: None) -> None:
    """Run the portal in this process until SIGTERM or SIGINT. Raises ``LauncherError``."""
    cluster = embedded_cluster(places) if settings.USES_EMBEDDED_POSTGRES else None
    try:
        with only_instance(places):
            Supervisor(places=places, services=portal_services(), cluster=cluster, on_prepared=on_prepared).run()
    except AlreadyRunning as error:
        raise LauncherError("The portal runs already; ./run status says more.") from error


def launch(places: Places) -> None:
    """Start ``supervise`` as a process of its own that outlives the terminal."""
    write_table(places, Table("starting", read_table(places).entries))
    with open(open_log(places, LAUNCHER_LOG), "wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-m", "portal.launcher", "supervise"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=BASE_DIR,
            start_new_session=True,
        )
    launched = wait_for(
        lambda: running_pid(places) is not None or process.poll() is not None, timeout_seconds=LAUNCH_TIMEOUT_SECONDS
    )
    if not launched:
        process.kill()
        raise LauncherError(f"The launcher did not start within {LAUNCH_TIMEOUT_SECONDS} s. See {places.log_dir}.")


def wait_until_ready(places: Places) -> None:
    """Say each phase of the start until the portal answers. Raises ``LauncherError`` when the launcher gives up."""
    said, deadline = "", time.monotonic() + UP_TIMEOUT_SECONDS
    while (phase := read_table(places).phase) != READY or health() is not Health.GOOD:
        if running_pid(places) is None:
            raise LauncherError(f"The portal did not start.\n{tail(log_file(places, LAUNCHER_LOG))}")
        if time.monotonic() > deadline:
            raise LauncherError(f"The portal does not answer after {UP_TIMEOUT_SECONDS} s. See {places.log_dir}.")
        if phase not in (said, READY):
            say(f"{phase.capitalize()} ...")
            said = phase
        time.sleep(0.1)


def health() -> Health:
    """Ask the portal whether it answers."""
    return web_health.ask(settings.BIND_HOST, settings.BIND_PORT)


def address() -> str:
    """Return the address a person opens."""
    return web_health.address(settings.BIND_HOST, settings.BIND_PORT)
