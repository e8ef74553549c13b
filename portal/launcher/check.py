"""``./run check``: Django's deployment checks, behind a proxy with TLS and on this machine alone."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from portal.launcher.console import say
from portal.launcher.keys import new_encryption_key
from portal.places import BASE_DIR

CONFIGURATIONS = {
    "with TLS": {"PORTAL_SECURE": "1", "PORTAL_ALLOWED_HOSTS": "portal.example.com"},
    "on this machine": {"PORTAL_SECURE": "0", "PORTAL_BIND": "127.0.0.1:8000"},
}


def check(*, schema: bool) -> int:
    """Run the checks with throw-away keys; return the exit code. ``schema`` looks for missing schema migrations."""
    if schema:
        return manage("makemigrations", "--check", "--dry-run", configuration={})
    codes = []
    for name, configuration in CONFIGURATIONS.items():
        say(f"Settings {name}:")
        codes.append(manage("check", "--deploy", "--fail-level", "WARNING", configuration=configuration))
    return max(codes)


def manage(*arguments: str, configuration: dict[str, str]) -> int:
    """Run a management command that needs keys but no stored data."""
    keys = {"PORTAL_SECRET_KEY": secrets.token_urlsafe(64), "PORTAL_ENCRYPTION_KEYS": new_encryption_key()}
    # makemigrations warns that it cannot ask the database, which need not run for this.
    command = (sys.executable, "-W", "ignore::RuntimeWarning", "manage.py", *arguments)
    return subprocess.run(command, cwd=BASE_DIR, env=os.environ | keys | configuration, check=False).returncode
