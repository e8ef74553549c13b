"""The migrations application."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MigrationsAppConfig(AppConfig):
    """What a migration is: models, lifecycle, services, tasks."""

    name = "migrations_app"
    verbose_name = "Migrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Create the groups whenever the schema was migrated."""
        from migrations_app.access import create_groups

        post_migrate.connect(create_groups, sender=self, dispatch_uid="migrations_app.create_groups")
