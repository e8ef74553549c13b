"""Who typed the command: the account of the operating system, since the command line knows no login."""

from __future__ import annotations

import getpass
import os
import socket

from migrations_app.models import EventKind, Migration, MigrationEvent


def operating_person() -> str:
    """Return ``user@host``, with the person behind sudo if there is one."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    who = f"{behind} as {name}" if behind and behind != name else name
    return f"{who}@{socket.gethostname()}"


def record(migration: Migration, deed: str) -> None:
    """Leave an event that says what was done on the command line, and by which account."""
    MigrationEvent.objects.create(
        migration=migration,
        kind=EventKind.ACTION,
        message=f"{deed} on the command line by {operating_person()}.",
    )
