"""The portal's settings on a PostgreSQL server of the test session's own.

DATABASE_URL and PORTAL_VAR_DIR stay in the environment, so that a process started by a test (a worker, a command, with
``portal.settings`` or with these) works on the same database.
"""

from __future__ import annotations

import base64
import os

from tests.fixtures.session import worker_dir
from tests.fixtures.templates import portal_cluster

os.environ |= {
    "DATABASE_URL": portal_cluster().url(database="portal"),
    "PORTAL_VAR_DIR": str(worker_dir() / "var"),
    "PORTAL_SECRET_KEY": "a-secret-key-for-tests-only-0123456789abcdefghijklmnopqrstuvwxyz",
    "PORTAL_ENCRYPTION_KEYS": base64.b64encode(b"test key of 32 bytes, no secret!").decode(),
    "PORTAL_BIND": "127.0.0.1:8000",
    "PORTAL_SECURE": "0",
}

from portal.settings import *  # noqa: E402, F403 - the environment must be set before
from portal.settings import DATABASES, STORAGES  # noqa: E402

# Tests work on the database that child processes find at DATABASE_URL, not on one named test_….
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True
