"""One launcher per data folder, and nobody believes in one that is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.launcher.instance import AlreadyRunning, only_instance, running_pid
from portal.launcher.process_tree import wait_for
from portal.places import BASE_DIR, Places

HOLD = """
import sys, time, pathlib
from portal.launcher.instance import only_instance
from portal.places import Places
with only_instance(Places(pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path)
    places.run_dir.mkdir()
    return places


def test_nobody_runs_at_first(places: Places) -> None:
    assert running_pid(places) is None


def test_the_lock_names_its_holder_and_ends_with_it(places: Places) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, places.var_dir], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    assert running_pid(places) == holder.pid
    with pytest.raises(AlreadyRunning), only_instance(places):
        pass
    holder.kill()
    holder.communicate()
    assert running_pid(places) is None
    with only_instance(places):
        assert running_pid(places) == os.getpid()
    assert running_pid(places) is None


def test_asking_does_not_get_in_the_way_of_starting(places: Places) -> None:
    asking = "import sys, pathlib\nfrom portal.launcher.instance import running_pid\nfrom portal.places import Places\n"
    asking += "print(flush=True)\nwhile True: running_pid(Places(pathlib.Path(sys.argv[1])))"
    asker = subprocess.Popen(
        [sys.executable, "-c", asking, places.var_dir], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert asker.stdout and asker.stdout.readline()
    try:
        for _ in range(50):
            with only_instance(places):
                pass
    finally:
        asker.send_signal(signal.SIGKILL)
        asker.communicate()
    assert wait_for(lambda: running_pid(places) is None, timeout_seconds=1)
