"""Services are restarted when they die, end as whole trees, and leave nothing behind, whoever was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from portal.launcher.log_files import log_file
from portal.launcher.process_table import Table, kill_recorded, read_table, write_table
from portal.launcher.process_tree import Launched, wait_for
from portal.launcher.service import Service, ServiceRunner, start
from portal.places import BASE_DIR, Places

# A parent with a child in a session of its own, whose processes ignore SIGTERM when asked to.
TREE = """
import os, signal, sys, time
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
print("ready", flush=True)
time.sleep(60)
"""
LAUNCHER = """
import json, sys, time, pathlib
from portal.launcher.service import Service, start
from portal.places import Places
running = start(Service("tree", (sys.executable, "-c", sys.argv[2])), places=Places(pathlib.Path(sys.argv[1])))
print(json.dumps([running.launched.pid, running.launched.mark]), flush=True)
time.sleep(60)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path)
    for folder in (places.run_dir, places.log_dir):
        folder.mkdir()
    return places


@pytest.fixture
def runner(places: Places) -> Iterator[ServiceRunner]:
    runner = ServiceRunner(Service("tree", (sys.executable, "-c", TREE)), places=places)
    yield runner
    runner.finish(deadline=time.monotonic())


def launched(runner: ServiceRunner) -> Launched:
    entry = runner.entry()
    assert entry is not None
    return entry.process


def started(runner: ServiceRunner, places: Places) -> Launched:
    assert runner.tick()
    assert wait_for(lambda: log_file(places, "tree").read_text().count("ready") == 2, timeout_seconds=10)
    return launched(runner)


def test_a_tree_has_all_its_processes(runner: ServiceRunner, places: Places) -> None:
    assert len(started(runner, places).tree()) == 2


def test_a_service_that_dies_is_started_again_without_its_orphans(runner: ServiceRunner, places: Places) -> None:
    first = started(runner, places)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_for(runner.tick, timeout_seconds=5)
    assert first.tree() == []
    assert wait_for(runner.tick, timeout_seconds=5)
    assert launched(runner).is_alive()
    assert runner.restarts == 1


def test_a_service_that_dies_at_once_is_tried_less_and_less_often(places: Places) -> None:
    runner = ServiceRunner(Service("broken", (sys.executable, "-c", "raise SystemExit(3)")), places=places)
    begin = time.monotonic()
    while time.monotonic() - begin < 4:
        runner.tick()
        time.sleep(0.02)
    assert 2 <= runner.restarts <= 5
    runner.finish(deadline=time.monotonic())


def test_a_restart_ends_the_whole_tree(runner: ServiceRunner, places: Places) -> None:
    first = started(runner, places)
    runner.restart("the test says so")
    assert first.tree() == []
    assert wait_for(runner.tick, timeout_seconds=5)
    assert launched(runner).mark != first.mark


def test_a_deaf_service_is_killed_at_the_deadline(places: Places) -> None:
    runner = ServiceRunner(Service("tree", (sys.executable, "-c", TREE, "deaf")), places=places)
    deaf = started(runner, places)
    runner.ask_to_end()
    begin = time.monotonic()
    runner.finish(deadline=begin + 0.5)
    assert 0.4 < time.monotonic() - begin < 4
    assert deaf.tree() == []


def test_a_service_dies_with_its_launcher_and_the_next_start_ends_what_is_left(places: Places) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, places.var_dir, TREE], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout
    main = Launched(*json.loads(launcher.stdout.readline()))
    assert wait_for(lambda: len(main.tree()) == 2, timeout_seconds=10)
    launcher.kill()
    launcher.communicate()
    assert wait_for(lambda: not main.is_alive(), timeout_seconds=5)
    assert len(main.tree()) == 1, "the child in a session of its own outlives its parent"
    entry = {"name": "tree", "pid": main.pid, "mark": main.mark, "started_at": 0.0, "restarts": 0}
    write_table(places, read_table(places))
    (places.run_dir / "processes.json").write_text(json.dumps({"phase": "ready", "entries": [entry]}))
    assert kill_recorded(places) == ["tree"]
    assert main.tree() == []


def test_an_unrelated_process_with_a_recorded_id_is_left_alone(places: Places) -> None:
    stranger = subprocess.Popen(["sleep", "30"])
    entry = {"name": "tree", "pid": stranger.pid, "mark": "f" * 32, "started_at": 0.0, "restarts": 0}
    (places.run_dir / "processes.json").write_text(json.dumps({"phase": "ready", "entries": [entry]}))
    try:
        assert kill_recorded(places) == []
        assert psutil.Process(stranger.pid).is_running()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_torn_table_counts_as_none(places: Places) -> None:
    (places.run_dir / "processes.json").write_text('{"phase": "rea')
    assert read_table(places) == Table()


def test_output_goes_to_the_service_s_log_in_order(places: Places) -> None:
    running = start(Service("talk", (sys.executable, "-c", "print('one', flush=True)")), places=places)
    running.process.wait(timeout=10)
    second = start(Service("talk", (sys.executable, "-c", "import sys; print('two', file=sys.stderr)")), places=places)
    second.process.wait(timeout=10)
    with suppress(psutil.Error):
        second.kill()
    assert log_file(places, "talk").read_text() == "one\ntwo\n"
