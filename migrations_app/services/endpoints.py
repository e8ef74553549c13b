"""A connection row as the engine's ``Endpoint``."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.conf import settings

from migrations_app.engine.spec import Endpoint, Side
from migrations_app.models import ConnectionSettings
from migrations_app.services.allowed_hosts import require_allowed_host
from migrations_app.services.credentials import open_password


def endpoint_from_row(row: ConnectionSettings, side: Side | str) -> Endpoint:
    """Return the endpoint with its password. Raises ``CredentialsUnreadable``, or ``ConnectionFailed`` for a host
    that this portal may not reach: whoever connects comes by here, at every start and every take-over.

    libpq takes a certificate authority from a file only, so it is written to ``<var>/run/ca``, mode 0600.
    """
    require_allowed_host(row.host)
    return Endpoint(
        side=Side(side),
        host=row.host,
        port=row.port,
        user=row.username,
        password=open_password(row),
        sslmode=row.sslmode,
        ca_file=str(_ca_file(row)) if row.ca_certificate.strip() else None,
        database=row.maintenance_database,
    )


def _ca_file(row: ConnectionSettings) -> Path:
    folder = Path(settings.VAR_DIR) / "run" / "ca"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256(row.ca_certificate.encode()).hexdigest()[:16]
    path = folder / f"{digest}.pem"
    if not path.exists():
        _write_private(path, row.ca_certificate)
    return path


def _write_private(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.rename(path)
