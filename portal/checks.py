"""System checks: settings that would start well and fail later."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

Apps = Sequence[AppConfig] | None
START_HINT = "./run up makes one at its first start; or set {} (docs/settings.md)."


@register(Tags.security)
def keys_are_there(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: no secret key. E002: no encryption key. E003: a key that is not 32 bytes in base64."""
    found: list[CheckMessage] = []
    if not has_secret_key():
        found.append(Error("There is no secret key.", hint=START_HINT.format("PORTAL_SECRET_KEY"), id="portal.E001"))
    if not settings.PORTAL_ENCRYPTION_KEYS:
        hint = START_HINT.format("PORTAL_ENCRYPTION_KEYS")
        found.append(Error("There is no key to encrypt stored passwords with.", hint=hint, id="portal.E002"))
    if not all(is_encryption_key(key) for key in settings.PORTAL_ENCRYPTION_KEYS):
        hint = "Make one with: ./run manage new_encryption_key"
        found.append(Error("An encryption key is not 32 bytes in base64.", hint=hint, id="portal.E003"))
    return found


@register()
def queues_redeliver_late(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E004: a queue hands a task out again while it may still run. E005: a name set for one queue only."""
    return [
        Error(
            f"Queue {name} repeats a task after {queue['retry']} s but lets it run for {queue['timeout']} s.",
            hint="Set retry larger than timeout in Q_CLUSTER.",
            id="portal.E004",
        )
        for name, queue in queues()
        if queue["retry"] <= queue["timeout"]
    ]


@register()
def queue_and_rows_share_a_database(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E006: a task must be queued by the same commit as the row that it is about."""
    if settings.Q_CLUSTER.get("orm") == "default":
        return []
    hint = 'Set "orm": "default" in Q_CLUSTER.'
    return [Error("The task queue is not in the portal's database.", hint=hint, id="portal.E006")]


@register()
def database_is_postgresql(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E007: leases and queues need PostgreSQL."""
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        return []
    hint = "Set DATABASE_URL to postgres://user@host/name, or unset it to use the embedded server."
    return [Error("The portal's own database is not PostgreSQL.", hint=hint, id="portal.E007")]


@register(Tags.security, deploy=True)
def passwords_do_not_travel_in_clear(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W002: reachable from other machines without TLS."""
    if settings.SECURE or is_loopback(settings.BIND_HOST):
        return []
    message = f"The portal listens on {settings.BIND_HOST} without TLS: logins and database passwords travel in clear."
    hint = "Put a proxy with TLS in front and set PORTAL_SECURE=1, or bind to 127.0.0.1."
    return [Warning(message, hint=hint, id="portal.W002")]


@register(Tags.security, deploy=True)
def the_portals_name_is_allowed(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W003: reachable from other machines, which would all be answered with 400 Bad Request."""
    if is_loopback(settings.BIND_HOST) or not all(is_loopback(host) for host in settings.ALLOWED_HOSTS):
        return []
    message = f"The portal listens on {settings.BIND_HOST}, but answers only to names of this machine itself."
    hint = "Set PORTAL_ALLOWED_HOSTS to the names and addresses that people type, separated by commas."
    return [Warning(message, hint=hint, id="portal.W003")]


def has_secret_key() -> bool:
    """Tell whether a secret key is set; Django raises when an empty one is read."""
    try:
        return bool(settings.SECRET_KEY)
    except ImproperlyConfigured:
        return False


def queues() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each queue's name and its settings."""
    common = {key: value for key, value in settings.Q_CLUSTER.items() if key != "ALT_CLUSTERS"}
    yield common["name"], common
    for name, own in settings.Q_CLUSTER.get("ALT_CLUSTERS", {}).items():
        yield name, common | own


def is_encryption_key(key: str) -> bool:
    """Tell whether ``key`` is 32 bytes in URL-safe base64."""
    try:
        return len(base64.urlsafe_b64decode(key)) == 32
    except (binascii.Error, ValueError):
        return False


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` can be reached from this machine only."""
    return host in settings.LOOPBACK_HOSTS or host.startswith("127.")
