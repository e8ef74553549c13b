"""The files a cluster is configured with, and the short directory its socket lives in."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

LONGEST_SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path, less its terminating zero
SETTINGS_FILE = "portal.conf"

BASE_SETTINGS: dict[str, str | int] = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
}


class SocketDirectoryRefused(Exception):
    """The directory for the socket exists and is not safely ours."""


def socket_directory_for(data_dir: Path, *, port: int) -> Path:
    """Return where the socket goes: beside the data directory, or in a short private directory if that is too long."""
    beside = data_dir.absolute().parent / f"{data_dir.name}.socket"
    if len(os.fsencode(beside / f".s.PGSQL.{port}")) <= LONGEST_SOCKET_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pgportal-{os.geteuid()}-{digest}"


def make_private_directory(path: Path, *, uid: int) -> None:
    """Create ``path`` for its owner only. Raises ``SocketDirectoryRefused`` if somebody else made it first."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (uid, os.geteuid()):
        raise SocketDirectoryRefused(
            f"{path} is not a directory of this user. Remove it, or choose another directory for the socket."
        )
    path.chmod(0o700)


def settings_text(settings: Mapping[str, object]) -> str:
    """Return the lines of a configuration file."""
    return "".join(f"{name} = {_literal(value)}\n" for name, value in settings.items())


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def hba_text(*, lines: Sequence[str] | None, listens: bool, tls: bool) -> str:
    """Return pg_hba.conf: the private socket is trusted, TCP demands SCRAM, and TLS where there is a certificate."""
    if lines is not None:
        return "".join(f"{line}\n" for line in lines)
    kind = "hostssl" if tls else "host"
    tcp = [f"{kind} {what} all 127.0.0.1/32 scram-sha-256" for what in ("all", "replication")] if listens else []
    return "".join(f"{line}\n" for line in ["local all all trust", "local replication all trust", *tcp])
