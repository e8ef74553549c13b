"""Where the portal keeps its things: one answer for the settings, the launcher and the local servers."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from portal import env

BASE_DIR = Path(__file__).resolve().parent.parent

# sun_path holds 108 bytes with its end; PostgreSQL adds "/.s.PGSQL.<port>.lock".
SOCKET_DIR_MAX_BYTES = 107 - len("/.s.PGSQL.65535.lock")


@dataclass(frozen=True)
class Places:
    """Folders and files under ``var_dir``."""

    var_dir: Path

    @property
    def secrets_dir(self) -> Path:
        """Keys that must not be in the database; mode 0700."""
        return self.var_dir / "secrets"

    @property
    def secret_key_file(self) -> Path:
        """Django's secret key."""
        return self.secrets_dir / "secret.key"

    @property
    def encryption_key_file(self) -> Path:
        """Keys for stored passwords, one a line, newest first."""
        return self.secrets_dir / "encryption.key"

    @property
    def postgres_password_file(self) -> Path:
        """The password of the embedded PostgreSQL server."""
        return self.secrets_dir / "postgres.password"

    @property
    def first_admin_file(self) -> Path:
        """The first administrator's password, where it was made up because nobody was at a terminal."""
        return self.secrets_dir / "first-administrator.password"

    @property
    def log_dir(self) -> Path:
        """One log file for each process of the portal."""
        return self.var_dir / "log"

    @property
    def run_dir(self) -> Path:
        """What lives only as long as the portal runs: lock, process table, CA files."""
        return self.var_dir / "run"

    @property
    def work_dir(self) -> Path:
        """Schema dumps of running migrations."""
        return self.var_dir / "work"

    @property
    def static_dir(self) -> Path:
        """Where ``collectstatic`` puts style sheets and scripts, if somebody runs it."""
        return self.var_dir / "static"

    @property
    def postgres_dir(self) -> Path:
        """The embedded PostgreSQL server's data."""
        return self.var_dir / "postgres"

    @property
    def demo_dir(self) -> Path:
        """The two sample servers of ``./run demo``."""
        return self.var_dir / "demo"

    @property
    def postgres_socket_dir(self) -> Path:
        """The embedded PostgreSQL server's socket."""
        return self.socket_dir("pg")

    def socket_dir(self, name: str) -> Path:
        """Return a folder for sockets: under ``var_dir``, or a short one elsewhere where that path is too long."""
        inside = self.run_dir / name
        if len(os.fsencode(inside)) <= SOCKET_DIR_MAX_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:12]
        return Path("/tmp") / f"migration-portal-{os.getuid()}-{digest}"  # noqa: S108 - created 0700 and its owner is checked


# The embedded server: socket only, so the port is just the end of the socket's name.
POSTGRES_PORT = 5432
POSTGRES_MAJOR = 17
POSTGRES_USER = "portal"
POSTGRES_DATABASE = "portal"


def places_from_environment() -> Places:
    """Return the places that PORTAL_VAR_DIR chooses; the file .env counts."""
    env.load_dotenv(BASE_DIR / ".env")
    return Places(env.path("PORTAL_VAR_DIR", default=BASE_DIR / "var"))
