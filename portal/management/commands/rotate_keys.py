"""Seal every stored password with the newest key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from migrations_app.services.credentials import rotate_keys


class Command(BaseCommand):
    """``manage.py rotate_keys``; afterwards the older keys may be removed."""

    help = "Seal every stored password with the newest encryption key. May be repeated, and while the portal runs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate and say how many. Raises ``CommandError`` while a password cannot be opened."""
        done = rotate_keys()
        self.stdout.write(f"Key {done.key_id}: {done.resealed} passwords sealed anew, {done.current} were current.")
        if done.unreadable:
            raise CommandError("\n".join(["Keep the older keys; these could not be opened:", *done.unreadable]))
