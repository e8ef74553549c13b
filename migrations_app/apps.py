"""The migrations application."""

from __future__ import annotations

from django.apps import AppConfig


class MigrationsAppConfig(AppConfig):
    """What a migration is: models, lifecycle, services, tasks."""

    name = "migrations_app"
    verbose_name = "Migrations"
    default_auto_field = "django.db.models.BigAutoField"
