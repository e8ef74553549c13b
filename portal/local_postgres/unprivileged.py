"""Run PostgreSQL's programs without being root, which they insist on.

An ordinary user runs them directly; one whose number has no name runs them in a user namespace, where it is nobody.
Root first tries a user namespace too, in which it still owns its files; where namespaces are refused (most
containers, every chroot) it hands the data directory to another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

NOBODY = 65534


class Way(StrEnum):
    """How the programs are kept from being root."""

    DIRECT = "direct"
    NAMESPACE = "user namespace"
    OTHER_USER = "other user"


class CannotDropRoot(Exception):
    """Root, and neither way works; the message says what to do."""


@dataclass(frozen=True)
class Identity:
    """Who runs the programs: what goes before each command line, and who owns the files."""

    way: Way
    prefix: tuple[str, ...]
    uid: int
    gid: int

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line that runs ``arguments`` as this identity."""
        return [*self.prefix, *map(str, arguments)]

    def own(self, path: Path) -> None:
        """Make ``path``, and all below it, belong to this identity."""
        if self.way is Way.OTHER_USER:
            _chown_tree(path, self.uid, self.gid)


def identity_for(data_dir: Path, *, bin_dir: Path, way: Way | None = None) -> Identity:
    """Return who runs the cluster in ``data_dir``; ``way`` forces one. Raises ``CannotDropRoot``.

    A data directory that already belongs to another user is run by that user.
    """
    way = way or _way_for(data_dir)
    if way is Way.DIRECT:
        return Identity(way, (), os.geteuid(), os.getegid())
    if way is Way.NAMESPACE:
        return Identity(way, _namespace_prefix(), os.geteuid(), os.getegid())
    uid, gid = _owner_to_be(data_dir)
    return Identity(way, _other_user_prefix(uid, gid, paths=(data_dir, bin_dir)), uid, gid)


def _way_for(data_dir: Path) -> Way:
    if os.geteuid() != 0:
        return Way.DIRECT if _has_a_name(os.geteuid()) or not namespaces_work() else Way.NAMESPACE
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return Way.OTHER_USER
    return Way.NAMESPACE if namespaces_work() else Way.OTHER_USER


@cache
def namespaces_work() -> bool:
    """Tell whether this process may create a user namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_namespace_prefix(), "true"], capture_output=True, check=False).returncode == 0


def _has_a_name(uid: int) -> bool:
    """Tell whether the user is known by name, as initdb demands; a container's user may be a mere number."""
    try:
        return bool(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return False


def _namespace_prefix() -> tuple[str, ...]:
    return ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


def _owner_to_be(data_dir: Path) -> tuple[int, int]:
    owner = data_dir.stat() if data_dir.exists() else None
    return (owner.st_uid, owner.st_gid) if owner and owner.st_uid != 0 else (NOBODY, NOBODY)


def _other_user_prefix(uid: int, gid: int, *, paths: tuple[Path, ...]) -> tuple[str, ...]:
    prefix: tuple[str, ...] = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    if not all(_others_can_reach(path) for path in paths):
        # Below a directory such as /root only this one capability lets the other user reach its own files.
        prefix += ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    prefix += ("--",)
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False) if _has_setpriv() else None
    if tried is None or tried.returncode != 0:
        raise CannotDropRoot(
            "PostgreSQL refuses to run as root, and this machine allows root neither a user namespace nor to become "
            f"another user ({tried.stderr.strip() if tried else 'setpriv is not installed'}). "
            "Start the portal as an ordinary user."
        )
    return prefix


def _has_setpriv() -> bool:
    return shutil.which("setpriv") is not None


def _others_can_reach(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents if parent.exists())


def _chown_tree(top: Path, uid: int, gid: int) -> None:
    os.chown(top, uid, gid, follow_symlinks=False)
    for directory, subdirectories, files in os.walk(top):
        for name in (*subdirectories, *files):
            os.chown(Path(directory) / name, uid, gid, follow_symlinks=False)
