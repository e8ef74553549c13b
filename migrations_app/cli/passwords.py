"""Where passwords come from: the file, the environment, or a prompt; never an argument, which others could read."""

from __future__ import annotations

import getpass
import os
import sys

from migrations_app.cli.exits import CommandFailed
from migrations_app.engine.spec import Side

VARIABLES = {Side.SOURCE: "PORTAL_SOURCE_PASSWORD", Side.TARGET: "PORTAL_TARGET_PASSWORD"}


def password_for(side: Side, *, from_file: str | None, label: str) -> str:
    """Return the password of a server. Raises ``CommandFailed`` when nobody is there to be asked."""
    if from_file is not None:
        return from_file
    if VARIABLES[side] in os.environ:
        return os.environ[VARIABLES[side]]
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"The password of the {side} server {label} is missing.",
            hint=f"Set the environment variable {VARIABLES[side]}, or put the password into the file of --properties.",
        )
    return getpass.getpass(f"Password of {label} ({side}): ")
