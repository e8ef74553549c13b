"""Run the portal's background tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from migrations_app.worker.cluster_process import ClusterProcess


class Command(BaseCommand):
    """``manage.py portal_cluster``; the environment variable ``Q_CLUSTER_NAME`` chooses another queue."""

    help = "Run a django-q2 cluster that outlives the death of any of its processes. SIGTERM stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        ClusterProcess().run()
