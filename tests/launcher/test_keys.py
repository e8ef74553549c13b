"""The first start makes keys that only the portal's user can read, and later starts keep them."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from portal.checks import is_encryption_key
from portal.launcher.keys import make_missing_keys, write_once
from portal.places import Places


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_private_and_stay(tmp_path: Path) -> None:
    places = Places(tmp_path / "var")
    make_missing_keys(places)
    secret, encryption = places.secret_key_file.read_text(), places.encryption_key_file.read_text()
    assert len(secret.strip()) > 50
    assert is_encryption_key(encryption.strip())
    assert mode(places.secrets_dir) == 0o700
    assert {mode(file) for file in places.secrets_dir.iterdir()} == {0o600}
    make_missing_keys(places)
    assert (places.secret_key_file.read_text(), places.encryption_key_file.read_text()) == (secret, encryption)


def test_two_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_once(tmp_path / "key", text=f"{number}"), range(8)))
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").read_text().strip() in "01234567"
