"""Run the reconciler."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from migrations_app.worker.reconciler_process import ReconcilerProcess


class Command(BaseCommand):
    """``manage.py portal_reconciler``."""

    help = "Ring for every migration that is due and that nobody drives, every two seconds. SIGTERM stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        ReconcilerProcess().run()
