"""The portal as a Django application: templates, pages, system checks."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """What people see."""

    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        """Register the system checks."""
        from portal import checks  # noqa: F401 - importing it registers them
