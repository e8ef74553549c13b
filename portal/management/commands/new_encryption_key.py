"""Print a new key for stored passwords."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from migrations_app.services.credentials import new_key


class Command(BaseCommand):
    """``manage.py new_encryption_key``."""

    help = "Print a new key for stored passwords. Put it first in PORTAL_ENCRYPTION_KEYS, then run rotate_keys."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        self.stdout.write(new_key())
