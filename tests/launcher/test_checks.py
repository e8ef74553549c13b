"""System checks find settings that would start well and fail later."""

from __future__ import annotations

import copy

import pytest
from django.conf import settings
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from portal import checks


def found(check: str) -> bool:
    return any(message.id == check for message in run_checks(include_deployment_checks=True))


def test_the_settings_of_the_tests_are_fine() -> None:
    assert [message for message in run_checks() if message.is_serious()] == []


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("SECRET_KEY", "", "portal.E001"),
        ("PORTAL_ENCRYPTION_KEYS", [], "portal.E002"),
        ("PORTAL_ENCRYPTION_KEYS", ["c2hvcnQ="], "portal.E003"),
        ("PORTAL_ENCRYPTION_KEYS", ["not base64"], "portal.E003"),
        ("BIND_HOST", "0.0.0.0", "portal.W002"),
    ],
)
def test_a_bad_setting_is_found(settings: Settings, name: str, value: object, check: str) -> None:
    assert not found(check)
    setattr(settings, name, value)
    assert found(check)


def test_tls_makes_every_address_fine(settings: Settings) -> None:
    settings.BIND_HOST, settings.SECURE = "0.0.0.0", True
    assert not found("portal.W002")


def test_a_public_address_needs_the_names_it_is_reached_by(settings: Settings) -> None:
    settings.BIND_HOST, settings.ALLOWED_HOSTS = "0.0.0.0", list(settings.LOOPBACK_HOSTS)
    assert found("portal.W003")
    settings.ALLOWED_HOSTS = ["portal.example.com", "localhost"]
    assert not found("portal.W003")
    settings.BIND_HOST, settings.ALLOWED_HOSTS = "127.0.0.1", list(settings.LOOPBACK_HOSTS)
    assert not found("portal.W003")


def test_a_queue_that_repeats_running_tasks_is_found(settings: Settings) -> None:
    cluster = copy.deepcopy(settings.Q_CLUSTER)
    cluster["ALT_CLUSTERS"]["long"]["retry"] = cluster["ALT_CLUSTERS"]["long"]["timeout"]
    settings.Q_CLUSTER = cluster
    assert [message.id for message in checks.queues_redeliver_late(None)] == ["portal.E004"]


def test_a_queue_elsewhere_is_found(settings: Settings) -> None:
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"orm": "other"}
    assert found("portal.E006")


def test_the_content_security_policy_allows_nothing_inline() -> None:
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert "unsafe" not in str(policy)
