"""How to reach a server: saved connections, and the two endpoints of a migration."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from migrations_app.models.states import SourceType, SslMode


class ConnectionSettings(models.Model):
    """Host, login and TLS of a server. The password is sealed; read it with ``services.credentials.open_password``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    username = models.CharField(max_length=63, blank=True)
    sealed_password = models.TextField(blank=True, editable=False)
    sslmode = models.CharField(max_length=12, choices=SslMode.choices, default=SslMode.PREFER)
    ca_certificate = models.TextField(blank=True, help_text="PEM; empty uses this machine's certificate authorities.")
    maintenance_database = models.CharField(max_length=63, default="postgres")
    facts = models.JSONField(default=dict, blank=True, help_text="What the last connection test saw.")
    tested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class SavedConnection(ConnectionSettings):
    """A server somebody keeps for later migrations."""

    name = models.CharField(max_length=100, unique=True)
    provider = models.CharField(max_length=40, choices=SourceType.choices, default=SourceType.ON_PREMISES)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class MigrationEndpoint(ConnectionSettings):
    """The source or the target of one migration; a copy, so that editing a saved connection changes no migration."""

    saved_connection = models.ForeignKey(SavedConnection, null=True, blank=True, on_delete=models.SET_NULL)

    def __str__(self) -> str:
        return f"{self.username}@{self.host}:{self.port}" if self.host else "not chosen yet"
