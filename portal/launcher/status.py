"""Say what runs."""

from __future__ import annotations

import time

from django.conf import settings

from portal.launcher.console import say
from portal.launcher.embedded_postgres import embedded_cluster
from portal.launcher.instance import running_pid
from portal.launcher.process_table import Entry, Table, read_table
from portal.launcher.up import address, health
from portal.launcher.web_health import Health
from portal.places import Places

ALL_WELL, SOMETHING_WRONG, NOT_RUNNING = 0, 1, 3


def status(places: Places) -> int:
    """Print what runs; return 0 when all is well, 1 when something is wrong, 3 when the portal is down."""
    pid, table = running_pid(places), read_table(places)
    if pid is None:
        return say_down(places, table)
    answer = health()
    say_line("portal", f"{answer.value}, {address()}")
    say_line("launcher", f"process {pid}, {table.phase}")
    well = [answer is Health.GOOD, database_is_well(places), *(service_is_well(entry) for entry in table.entries)]
    return ALL_WELL if all(well) else SOMETHING_WRONG


def say_down(places: Places, table: Table) -> int:
    """Say that no launcher runs, and what it left behind."""
    left = [entry.name for entry in table.entries if entry.process.tree()]
    if embedded_cluster(places).is_running():
        left.append("database")
    if not left:
        say("The portal is down.")
        return NOT_RUNNING
    say(f"The launcher is gone, but these still run: {', '.join(left)}. ./run up or ./run down ends them.")
    return SOMETHING_WRONG


def database_is_well(places: Places) -> bool:
    """Say how the embedded server does, and tell whether it runs; another database is asked by the portal itself."""
    if not settings.USES_EMBEDDED_POSTGRES:
        say_line("database", "from DATABASE_URL")
        return True
    pid = embedded_cluster(places).pid
    say_line("database", f"process {pid}" if pid else "does not run")
    return pid is not None


def service_is_well(entry: Entry) -> bool:
    """Say how a service does, and tell whether it runs."""
    alive = entry.process.is_alive()
    minutes = (time.time() - entry.started_at) / 60
    state = f"process {entry.pid}, up {minutes:.0f} min" if alive else "does not run"
    say_line(entry.name, f"{state}, restarted {entry.restarts} times" if entry.restarts else state)
    return alive


def say_line(name: str, state: str) -> None:
    """Print one line of the table."""
    say(f"{name:12} {state}")
