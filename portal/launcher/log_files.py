"""One log file per service, kept short.

A service writes straight into its file, in append mode, so that its last words arrive whoever dies first. Rotation
therefore copies and truncates.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from portal.places import Places

LARGEST_BYTES = 10_000_000
KEPT = 4


def log_file(places: Places, name: str) -> Path:
    """Return the log file of a service."""
    return places.log_dir / f"{name}.log"


def open_log(places: Places, name: str) -> int:
    """Return a descriptor that appends to the log; the caller closes it."""
    return os.open(log_file(places, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def rotate_logs(places: Places) -> None:
    """Shorten every log that has grown too large, keeping the last four."""
    for path in places.log_dir.glob("*.log"):
        if path.stat().st_size > LARGEST_BYTES:
            rotate(path)


def rotate(path: Path) -> None:
    """Move ``x.log.1`` to ``x.log.2`` and so on, copy ``x.log`` to ``x.log.1`` and empty it."""
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copy2(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)


def tail(path: Path, *, lines: int = 15) -> str:
    """Return the last lines of a log."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 20_000))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
