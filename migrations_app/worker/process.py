"""What a forked process of the cluster does first: take a name, and tie its life to its parent's."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
NAME_BYTES = 15

_libc = ctypes.CDLL(None, use_errno=True)
_parent_pid = 0


def set_name(name: str) -> None:
    """Name this process as ``ps`` and ``/proc/<pid>/comm`` show it."""
    _libc.prctl(PR_SET_NAME, name.encode()[:NAME_BYTES], 0, 0, 0)


def children_die_with_parents() -> None:
    """From now on a process that this one or its children fork is killed when its parent dies."""
    os.register_at_fork(before=_remember_parent, after_in_child=_die_with_parent)


def _remember_parent() -> None:
    global _parent_pid
    _parent_pid = os.getpid()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != _parent_pid:  # it died before the line above
        os._exit(1)
