"""The portal's services: web, background tasks, reconciler."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.conf import settings

from portal.launcher.service import Service
from portal.places import BASE_DIR

WEB, TASKS, LONG_TASKS, RECONCILER = "web", "tasks", "long-tasks", "reconciler"
QUEUES = {"portal": TASKS, "long": LONG_TASKS}
WEB_THREADS = 4
WEB_TIMEOUT_SECONDS = 120
CONDUCTOR_GRACE_SECONDS = 10.0  # to end statements and child programs in good order


def portal_services() -> list[Service]:
    """Return every service in the order of starting."""
    return [
        web(),
        Service(TASKS, manage("portal_cluster")),
        Service(
            LONG_TASKS,
            manage("portal_cluster"),
            environment={"Q_CLUSTER_NAME": "long"},
            grace_seconds=CONDUCTOR_GRACE_SECONDS,
        ),
        Service(RECONCILER, manage("portal_reconciler")),
    ]


def web() -> Service:
    """Return gunicorn with the portal's pages."""
    options = [
        f"--bind={settings.BIND_HOST}:{settings.BIND_PORT}",
        f"--workers={settings.WEB_WORKERS}",
        f"--threads={WEB_THREADS}",
        "--worker-class=gthread",
        f"--timeout={WEB_TIMEOUT_SECONDS}",
        "--graceful-timeout=4",
        "--no-control-socket",
        f"--worker-tmp-dir={memory_dir()}",
        "--max-requests=20000",
        "--max-requests-jitter=2000",
    ]
    return Service(WEB, (sys.executable, "-m", "gunicorn", *options, "portal.wsgi:application"))


def manage(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a management command."""
    return (sys.executable, str(BASE_DIR / "manage.py"), *arguments)


def memory_dir() -> Path:
    """Return where gunicorn's workers may touch a file each second without touching a disk."""
    shared = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file of its own in it, and unlinks it at once
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else settings.PLACES.run_dir
