"""What the launcher says: short lines, to the terminal or, in the background, to its log."""

from __future__ import annotations

import sys
import time


class LauncherError(Exception):
    """The portal cannot be started or stopped; the message says why and what to do."""


def say(line: str) -> None:
    """Print a line for the person at the terminal."""
    print(line, flush=True)


def log(line: str) -> None:
    """Print a line with the time: what happened, when nobody may be looking."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", flush=True)


def complain(line: str) -> None:
    """Print what went wrong."""
    print(line, file=sys.stderr, flush=True)
