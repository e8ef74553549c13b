"""Keys that the first start makes, each in a file of its own that only the portal's user can read."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from pathlib import Path

from portal.places import Places

ENCRYPTION_KEY_BYTES = 32
PASSWORD_BYTES = 30


def new_encryption_key() -> str:
    """Return 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode("ascii")


def make_missing_keys(places: Places) -> None:
    """Make the secret key and the encryption key unless they exist. Keys in the environment stay first choice."""
    places.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.secrets_dir.chmod(0o700)
    write_once(places.secret_key_file, text=secrets.token_urlsafe(64))
    write_once(places.encryption_key_file, text=new_encryption_key())
    write_once(places.postgres_password_file, text=secrets.token_urlsafe(PASSWORD_BYTES))


def write_once(path: Path, *, text: str) -> None:
    """Write a 0600 file in one piece, unless it exists: a power cut leaves a whole key or none."""
    if path.exists():
        return
    descriptor, partial = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{text}\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(partial, path)  # unlike rename, this never replaces a key that another start just made
    except FileExistsError:
        return
    finally:
        os.unlink(partial)
