"""Bring the portal's own database up to date, once, however many hosts start at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django_q.models import Schedule

RECONCILE = {"func": "migrations_app.tasks.reconcile_task", "schedule_type": Schedule.MINUTES, "minutes": 1}
LOCK_NUMBER = 7_304_611_918  # any number that nothing else in this database uses


class Command(BaseCommand):
    """``manage.py portal_prepare``: schema migrations, groups, cache table, schedule."""

    help = "Bring the portal's own database up to date: schema migrations, groups, cache table, schedule."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it while holding an advisory lock."""
        with advisory_lock():
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
            call_command("createcachetable", verbosity=options["verbosity"])
            # A second net below the reconciler process.
            Schedule.objects.update_or_create(name="reconcile", defaults=RECONCILE | {"repeats": -1})
        if settings.STATIC_IS_COLLECTED:
            call_command("collectstatic", interactive=False, verbosity=0)  # an upgrade brings new files
        if options["verbosity"]:
            self.stdout.write("The portal's database is up to date.")


@contextmanager
def advisory_lock() -> Iterator[None]:
    """Wait for the lock; the session's end gives it back also when this process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_NUMBER])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_NUMBER])
