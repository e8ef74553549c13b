"""A flag that the cluster's main process raises when it must stop, and that its workers see.

One byte of memory shared by fork: reading it takes no lock, so no process can die holding one.
"""

from __future__ import annotations

import mmap

_flag = mmap.mmap(-1, 1)


def start_draining() -> None:
    """Ask every long piece of work in this process and in its children to end soon."""
    _flag[0] = 1


def stop_draining() -> None:
    """Take the flag down, for a process that goes on."""
    _flag[0] = 0


def is_draining() -> bool:
    """Tell whether work should end soon."""
    return _flag[0] == 1
