"""The portal's own disk is full: told as such, and never mistaken for the disk of a server."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from migrations_app.engine.errors import PortalDiskFull

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
WORDS = re.compile(r"No space left on device|Disk quota exceeded|File too large")
FROM_A_SERVER = re.compile(r"\b(ERROR|FATAL|PANIC):")


def portal_disk_full(server_message: str) -> PortalDiskFull:
    """Return the error; ``server_message`` is what the operating system said."""
    return PortalDiskFull(
        "The portal's own disk is full: a file of the migration could not be written on the machine of the portal.",
        hint="Free space for the portal's data directory and its temporary directory, then resume. "
        "Rows never pass through this disk; the schema of each database does.",
        server_message=server_message,
    )


def tells_full_disk(program_said: str, *, exit_code: int) -> bool:
    """Tell whether a client program ended because it could not write on this machine."""
    if exit_code == -signal.SIGXFSZ:
        return True
    return bool(WORDS.search(program_said)) and not FROM_A_SERVER.search(program_said)


@contextmanager
def portal_disk_explained() -> Iterator[None]:
    """Raise ``PortalDiskFull`` instead of the operating system's error; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise portal_disk_full(str(error)) from error
