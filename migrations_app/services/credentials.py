"""Passwords at rest: sealed with keys that are not in the database, each bound to its own row.

A sealed password is ``v1:<key id>:<base64 of nonce and ciphertext>`` (AES-256-GCM). The row's identity is the
associated data, so that a password copied to another row does not open.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction

from migrations_app.engine.errors import EngineError
from migrations_app.models import ConnectionSettings, MigrationEndpoint, SavedConnection

VERSION = "v1"
NONCE_BYTES = 12
KEY_BYTES = 32


class CredentialsUnreadable(EngineError):
    """A stored password cannot be opened."""


@dataclass(frozen=True)
class Key:
    """One encryption key; ``id`` names it without telling it."""

    id: str
    cipher: AESGCM


@dataclass(frozen=True)
class Rotation:
    """What a rotation did: rows sealed anew, rows that had the newest key already, rows that could not be opened."""

    key_id: str
    resealed: int
    current: int
    unreadable: tuple[str, ...]


def seal_password(row: ConnectionSettings, plaintext: str) -> None:
    """Put the sealed password into ``row``; the caller saves the row. An empty password is stored as such."""
    row.sealed_password = _seal(row, plaintext) if plaintext else ""


def open_password(row: ConnectionSettings) -> str:
    """Return the password of ``row``, empty if it has none. Raises ``CredentialsUnreadable``."""
    if not row.sealed_password:
        return ""
    key_id, sealed = _split(row)
    try:
        opened = _key(row, key_id).cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _identity(row))
    except InvalidTag as error:
        raise CredentialsUnreadable(
            f"The stored password of {row} does not open with the key {key_id}.",
            hint="The row or the key was changed outside the portal. Type the password again.",
        ) from error
    return opened.decode()


def forget_password(row: ConnectionSettings) -> None:
    """Erase the password from the row and from the database at once."""
    row.sealed_password = ""
    type(row)._default_manager.filter(pk=row.pk).update(sealed_password="")


def rotate_keys() -> Rotation:
    """Seal every stored password with the newest key; safe to repeat, and while the portal runs."""
    newest = _keys()[0]
    resealed, current, unreadable = 0, 0, list[str]()
    for model in (SavedConnection, MigrationEndpoint):
        for pk in model._default_manager.exclude(sealed_password="").values_list("pk", flat=True):
            with transaction.atomic():
                row = model._default_manager.select_for_update().get(pk=pk)
                if row.sealed_password.startswith(f"{VERSION}:{newest.id}:"):
                    current += 1
                    continue
                try:
                    seal_password(row, open_password(row))
                except CredentialsUnreadable as error:
                    unreadable.append(error.message)
                    continue
                row.save(update_fields=["sealed_password"])
                resealed += 1
    return Rotation(key_id=newest.id, resealed=resealed, current=current, unreadable=tuple(unreadable))


def new_key() -> str:
    """Return a fresh key in the form that the settings take."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _seal(row: ConnectionSettings, plaintext: str) -> str:
    key = _keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + key.cipher.encrypt(nonce, plaintext.encode(), _identity(row))
    return f"{VERSION}:{key.id}:{base64.b64encode(sealed).decode()}"


def _identity(row: ConnectionSettings) -> bytes:
    return f"connection:{row.pk}:password".encode()


def _split(row: ConnectionSettings) -> tuple[str, bytes]:
    version, _, rest = row.sealed_password.partition(":")
    key_id, _, text = rest.partition(":")
    if version != VERSION or not key_id or not text:
        raise CredentialsUnreadable(
            f"The stored password of {row} is not in a form that this version knows.",
            hint="It may come from a newer version of the portal. Type the password again.",
        )
    return key_id, base64.b64decode(text)


def _key(row: ConnectionSettings, key_id: str) -> Key:
    for key in _keys():
        if key.id == key_id:
            return key
    raise CredentialsUnreadable(
        f"The password of {row} was stored with the encryption key {key_id}, which this portal does not have.",
        hint="Add that key to PORTAL_ENCRYPTION_KEYS after the newest one, or type the password again.",
    )


def _keys() -> tuple[Key, ...]:
    keys = tuple(_parse(text) for text in settings.PORTAL_ENCRYPTION_KEYS)
    if not keys:
        raise CredentialsUnreadable(
            "There is no key to encrypt stored passwords with.",
            hint="Set PORTAL_ENCRYPTION_KEYS, or start the portal with ./run up, which makes a key.",
        )
    return keys


@lru_cache(maxsize=16)
def _parse(text: str) -> Key:
    try:
        secret = base64.urlsafe_b64decode(text)
        cipher = AESGCM(secret)
    except ValueError as error:
        raise CredentialsUnreadable(
            "An encryption key is not 32 bytes in URL-safe base64.",
            hint="Make one with: python manage.py new_encryption_key",
        ) from error
    if len(secret) != KEY_BYTES:
        raise CredentialsUnreadable(
            "An encryption key does not have 32 bytes.", hint="Make one with: python manage.py new_encryption_key"
        )
    return Key(id=hashlib.sha256(secret).hexdigest()[:8], cipher=cipher)
