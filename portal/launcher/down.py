"""Stop the portal, also what a crashed launcher left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

from portal.launcher import embedded_postgres
from portal.launcher.console import say
from portal.launcher.instance import running_pid
from portal.launcher.process_table import Table, kill_recorded, write_table
from portal.launcher.process_tree import wait_for
from portal.local_postgres import Cluster
from portal.places import Places

STOP_TIMEOUT_SECONDS = 40


def down(places: Places) -> None:
    """Stop launcher, services, the embedded server and the sample servers."""
    pid = running_pid(places)
    if pid is not None:
        say("Stopping the portal ...")
        end_launcher(places, pid)
    ended = kill_recorded(places)
    write_table(places, Table("stopped"))
    for cluster in local_clusters(places):
        if cluster.exists() and cluster.is_running():
            embedded_postgres.stop(cluster)
            ended.append(cluster.data_dir.name)
    say("The portal is down." if pid or ended else "The portal was not running.")


def local_clusters(places: Places) -> Iterator[Cluster]:
    """Yield the embedded server and the sample servers, whether or not they exist."""
    from portal.demo.servers import sample_clusters

    yield embedded_postgres.embedded_cluster(places)
    yield from sample_clusters(places)


def end_launcher(places: Places, pid: int) -> None:
    """Ask the launcher to end; kill it if it does not."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if wait_for(lambda: running_pid(places) is None, timeout_seconds=STOP_TIMEOUT_SECONDS):
        return
    say(f"The launcher (process {pid}) did not end in {STOP_TIMEOUT_SECONDS} s; killing it.")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: running_pid(places) is None, timeout_seconds=5)
