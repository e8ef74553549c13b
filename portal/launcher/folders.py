"""Make the folders under ``var``."""

from __future__ import annotations

import os

from portal.launcher.console import LauncherError
from portal.places import Places

PRIVATE, PASSABLE = 0o700, 0o711


def make_folders(places: Places) -> None:
    """Create what is missing. Raises ``LauncherError`` where this user may not write."""
    # var and var/run are passable: an embedded server started by root runs as another user.
    passable, private = (places.var_dir, places.run_dir), (places.log_dir, places.work_dir, places.static_dir)
    modes = dict.fromkeys(passable, PASSABLE) | dict.fromkeys(private, PRIVATE)
    try:
        for folder, mode in modes.items():
            folder.mkdir(parents=True, exist_ok=True)
            if folder.stat().st_uid == os.geteuid():
                folder.chmod(mode)
    except OSError as error:
        message = f"{error.filename} cannot be made ({error.strerror}). Set PORTAL_VAR_DIR to a folder of this user."
        raise LauncherError(message) from error
