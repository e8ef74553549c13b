"""django-q2 as a doorbell: a queued task carries an id, and rows decide what there is to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

LONG_QUEUE = "long"
NO_TIMEOUT = -1


class _Bell:
    """The queue's broker, remembering under which id it queued the task."""

    def __init__(self) -> None:
        self._broker = get_broker(queue_name())
        self.list_key = self._broker.list_key
        self.queued_id: int | None = None

    def enqueue(self, package: str) -> int | None:
        self.queued_id = self._broker.enqueue(package)
        return self.queued_id


def queue_name() -> str | None:
    """Return the queue for long work; None is the only queue there is."""
    return LONG_QUEUE if LONG_QUEUE in settings.Q_CLUSTER.get("ALT_CLUSTERS", {}) else None


def ring_task(task: str, *args: str, **options: Any) -> int | None:
    """Queue a task by its dotted path, within the caller's transaction, and return the id of its place in the queue."""
    bell = _Bell()
    async_task(task, *args, q_options={"broker": bell, "timeout": NO_TIMEOUT, **options})
    return bell.queued_id


def is_waiting(queued_id: int | None) -> bool:
    """Tell whether the task is in the queue and no cluster has taken it yet."""
    return queued_id is not None and OrmQ.objects.filter(pk=queued_id, lock__lte=Now()).exists()


def withdraw(queued_id: int | None) -> None:
    """Remove the task from the queue; one that was taken may still run."""
    if queued_id is not None:
        OrmQ.objects.filter(pk=queued_id).delete()
