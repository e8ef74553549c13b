"""The main process of a cluster: start it, watch it, start it again when its sentinel dies, stop it in good order."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType

from django.db import DatabaseError, connections
from django_q.cluster import Cluster

from migrations_app.services.liveness import ProcessKind, beat
from migrations_app.worker import process, start_up
from migrations_app.worker.draining import start_draining

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.5
BEAT_EVERY_SECONDS = 10.0
RESTART_PAUSE_SECONDS = 1.0
DRAIN_SECONDS = 20.0


class ClusterProcess:
    """Runs in the main thread only, so that forking is safe."""

    def __init__(self) -> None:
        self._is_stopping = False
        self._beat_at = 0.0

    def run(self) -> None:
        """Keep a cluster running until SIGTERM or SIGINT."""
        start_up.install()
        process.set_name("portal-cluster")
        self._listen()
        while not self._is_stopping:
            self._run_one()
            time.sleep(0 if self._is_stopping else RESTART_PAUSE_SECONDS)

    def _run_one(self) -> None:
        connections.close_all()  # a connection must not be shared by fork
        cluster = Cluster()
        self._listen()  # the cluster's own handlers wait for its sentinel inside the signal
        try:
            cluster.start()
        except RuntimeError:
            logger.exception("the cluster did not start; trying again")
            return
        while not self._is_stopping and cluster.sentinel.is_alive():
            self._beat()
            time.sleep(LOOK_EVERY_SECONDS)
        if self._is_stopping:
            _drain(cluster)
        else:
            logger.error("the sentinel died (exit code %s); starting the cluster again", cluster.sentinel.exitcode)

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + BEAT_EVERY_SECONDS
        try:
            beat(ProcessKind.CLUSTER)
        except DatabaseError as error:
            logger.warning("the portal's database is away: %s", error)
            connections.close_all()


def _drain(cluster: Cluster) -> None:
    """Ask long work to stop, wait for the workers, then end what is left: everything can go on elsewhere."""
    logger.info("stopping: work under way goes on with another worker")
    start_draining()
    cluster.stop_event.set()
    cluster.sentinel.join(DRAIN_SECONDS)
    if cluster.sentinel.is_alive():
        logger.warning("some work did not stop in %s s; ending it", DRAIN_SECONDS)
        cluster.sentinel.kill()
        cluster.sentinel.join()
