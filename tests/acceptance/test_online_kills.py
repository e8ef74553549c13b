"""Processes of a live portal are killed while a database in use is moved online: every acknowledged row arrives once.

``ONLINE_PORTAL_RUNS`` (20) and ``ONLINE_PORTAL_SEED`` (1) say which seeds; ``ONLINE_RESULTS`` takes a line for each.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.live_portal import LivePortal, live_portal
from tests.acceptance.test_kills import kill_one
from tests.engine.online_same import contents
from tests.fixtures.servers import RunningServer
from tests.fixtures.workload import Workload, fill

RUNS, FIRST = int(os.environ.get("ONLINE_PORTAL_RUNS", "20")), int(os.environ.get("ONLINE_PORTAL_SEED", "1"))
RESULTS = os.environ.get("ONLINE_RESULTS", "")
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]
STATE_SECONDS, CUTOVER_ATTEMPTS, PAUSE_SECONDS = 300, 8, 0.02
PHASE = (
    "SELECT m.state, d.phase, m.error FROM migrations_app_migration m JOIN migrations_app_migrationdatabase d"
    " ON d.migration_id = m.id WHERE m.name = %s"
)
ANSWER = (
    "SELECT r.ended_at IS NOT NULL, r.succeeded, r.message FROM migrations_app_replicationrequest r"
    " JOIN migrations_app_migrationdatabase d ON d.id = r.database_id JOIN migrations_app_migration m"
    " ON m.id = d.migration_id WHERE m.name = %s ORDER BY r.id DESC LIMIT 1"
)


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory):
    with live_portal(tmp_path_factory.mktemp("portal"), database_server=servers.get(17, name="portal")) as running:
        yield running


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_an_online_migration_endures_kills(portal, servers, seed, capsys):
    dice = random.Random(seed)
    source, target = servers.get(dice.choice([16, 17]), name="online"), servers.get(18, name="online-target")
    engine = dice.choice(["server_to_server", "through_portal"])
    name, said, result, began_at = f"online-{seed}", list[str](), "FAILED", time.monotonic()
    try:
        with source.fresh_database(f"online_{seed}") as database:
            fill(source, database)
            source.psql("ALTER TABLE shop.log ALTER details TYPE jsonb", database=database)
            conninfo = source.cluster.conninfo(database=database)
            with Workload(conninfo, seed=seed, pause_seconds=PAUSE_SECONDS) as workload:
                _start(portal, source, target, database, name=name, engine=engine)
                _endure(portal, dice, name, said)
                said.append(f"transactions: {workload.acknowledged}")
                workload.stop()
            assert not workload.missing_on(target, database)
            assert contents(source, database) == contents(target, database)
        result = "identical"
    except BaseException as error:
        said.append(f"{type(error).__name__}: {error}"[:1500])
        raise
    finally:
        target.drop_database(f"online_{seed}")
        line = {"seed": f"portal {seed}", "major": source.major, "target_major": target.major, "engine": engine}
        line |= {"said": said, "result": result, "seconds": round(time.monotonic() - began_at)}
        with capsys.disabled():
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        if RESULTS:
            with Path(RESULTS).open("a") as file:
                file.write(json.dumps(line) + "\n")


def _start(
    portal: LivePortal, source: RunningServer, target: RunningServer, database: str, *, name: str, engine: str
) -> None:
    before, after = source.endpoint(), target.endpoint()
    created = portal.manage(
        "migration", "create", name, "--start", "--no-color", "--option", "Migrate", "--mode", "Online",
        "--apply", engine, "--jobs", "2",
        "--source", f"127.0.0.1:{before.port}@{before.user}", "--source-sslmode", before.sslmode,
        "--target", f"127.0.0.1:{after.port}@{after.user}", "--target-sslmode", after.sslmode,
        "--database", database,
        PORTAL_SOURCE_PASSWORD=before.password, PORTAL_TARGET_PASSWORD=after.password,
    )  # fmt: skip
    assert created.returncode == 0, created.stderr + created.stdout


def _endure(portal: LivePortal, dice: random.Random, name: str, said: list[str]) -> None:
    """Kill while it is copied and followed, and once while it is cut over."""
    for _ in range(3):
        time.sleep(dice.uniform(0.5, 4))
        said.append(f"killed: {kill_one(portal, dice)}")
    _until(portal, name, "ready")
    for attempt in range(CUTOVER_ATTEMPTS):
        asked = portal.manage("migration", "cutover", name)
        if asked.returncode != 0:  # between two phases: asked again
            time.sleep(1)
            continue
        if attempt == 0:
            time.sleep(dice.uniform(0, 3))
            said.append(f"killed in the cutover: {kill_one(portal, dice)}")
        if _answer(portal, name, said):
            break
        _until(portal, name, "ready")
    else:
        raise AssertionError(f"no cutover in {CUTOVER_ATTEMPTS} attempts: {asked.stdout} {asked.stderr}")
    _until(portal, name, "", state="Succeeded")


def _answer(portal: LivePortal, name: str, said: list[str]) -> bool:
    deadline = time.monotonic() + STATE_SECONDS
    while time.monotonic() < deadline:
        ((is_over, succeeded, message),) = portal.rows(ANSWER, name)
        if is_over:
            if not succeeded:
                said.append(f"cutover undone ({message[:90]})")
            return bool(succeeded)
        time.sleep(0.3)
    raise AssertionError(f"{name}: the request was not answered: {portal.rows(PHASE, name)}")


def _until(portal: LivePortal, name: str, phase: str, *, state: str = "") -> None:
    deadline = time.monotonic() + STATE_SECONDS
    while time.monotonic() < deadline:
        ((now, at, error),) = portal.rows(PHASE, name)
        assert now not in ("Failed", "Canceled", "ValidationFailed"), (now, error)
        if (state and now == state) or (not state and at == phase):
            return
        time.sleep(0.3)
    events = "SELECT message FROM migrations_app_migrationevent ORDER BY id DESC LIMIT 5"
    raise AssertionError((now, at, portal.rows(events)))
