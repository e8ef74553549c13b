"""Make a django-q2 cluster outlive the death of any of its processes.

django-q2 1.11.1 as it comes stops working for ever when an idle worker or its monitor is killed, and leaves orphans
that go on taking tasks when its main process is. It looks up the names below in its module ``django_q.cluster``.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import wraps
from typing import Any

from django_q import cluster

from migrations_app.worker import process
from migrations_app.worker.locks import DeathProofLock
from migrations_app.worker.message_queue import MessageQueue
from migrations_app.worker.shared_flag import SharedFlag

CHILDREN = {
    "Sentinel": "portal-sentinel",
    "worker": "portal-worker",
    "pusher": "portal-pusher",
    "monitor": "portal-monitor",
}
PRIMITIVES = ("Queue", "Value", "Event")


def install() -> None:
    """Replace what the cluster is built from; once, before a cluster starts. Raises ``RuntimeError`` if it changed."""
    missing = [name for name in (*PRIMITIVES, *CHILDREN) if not hasattr(cluster, name)]
    if missing:
        raise RuntimeError(f"django_q.cluster has no {', '.join(missing)}: this version of django-q2 is not supported")
    if cluster.Queue is MessageQueue:
        return
    cluster.Queue = MessageQueue
    cluster.Event = SharedFlag
    cluster.Value = _value
    for target, name in CHILDREN.items():
        setattr(cluster, target, _named(getattr(cluster, target), name))
    process.children_die_with_parents()


def _value(kind: str, initial: float) -> Any:
    lock: Any = DeathProofLock()  # the type stubs know multiprocessing's own locks only
    return multiprocessing.Value(kind, initial, lock=lock)


def _named(target: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(target, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        process.set_name(name)
        return target(*args, **kwargs)

    return run
