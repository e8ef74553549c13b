"""Any process of the portal may die at any moment: the migration goes on by itself and copies nothing twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from portal.demo.sample import build_sample
from tests.acceptance.live_portal import LivePortal, live_portal

END_SECONDS = 180
KILLS_PER_MIGRATION = 3


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory):
    with live_portal(tmp_path_factory.mktemp("portal"), database_server=servers.get(17, name="portal")) as running:
        yield running


@pytest.fixture(scope="module")
def sample(servers):
    source = servers.get(17, name="kills")
    name = source.create_database("shop_to_kill")
    build_sample(source.cluster.conninfo(database=name), size="small", seed=7)
    yield source, name
    source.drop_database(name)


CLIENTS = ("psql", "pg_dump", "pg_restore")


def kind_of(process: psutil.Process) -> str:
    """Name a process as a person would."""
    words = " ".join(process.cmdline())
    for program in CLIENTS:
        if program in words:
            return program
    if "gunicorn" in words:
        return "web"
    if "portal_reconciler" in words:
        return "reconciler"
    if "portal_cluster" in words:
        above = sum("portal_cluster" in parent.cmdline() for parent in process.parents())
        return ("cluster main", "cluster sentinel", "cluster worker, pusher or monitor")[above]
    return "other"


def kill_one(portal: LivePortal, randomness: random.Random) -> str:
    """Kill a random process, every kind with the same chance; client programs live short, so half the time one of them."""
    by_kind: dict[str, list[psutil.Process]] = {}
    for process in portal.processes():
        with suppress(psutil.NoSuchProcess):
            by_kind.setdefault(kind_of(process), []).append(process)
    clients = sorted(by_kind.keys() & set(CLIENTS))
    kind = randomness.choice(clients if clients and randomness.random() < 0.5 else sorted(by_kind))
    with suppress(psutil.NoSuchProcess):
        randomness.choice(by_kind[kind]).kill()
    return kind


def start(portal: LivePortal, sample, target, name: str) -> None:
    source, database = sample
    before, after = source.endpoint(), target.endpoint()
    created = portal.manage(
        "migration", "create", name, "--start", "--no-color", "--jobs", "2",
        "--source", f"127.0.0.1:{before.port}@{before.user}", "--source-sslmode", before.sslmode,
        "--target", f"127.0.0.1:{after.port}@{after.user}", "--target-sslmode", after.sslmode,
        "--database", f"{database}={name}",
        PORTAL_SOURCE_PASSWORD=before.password, PORTAL_TARGET_PASSWORD=after.password,
    )  # fmt: skip
    assert created.returncode == 0, created.stderr + created.stdout


def wait_for_the_end(portal: LivePortal, name: str) -> tuple[str, str]:
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        ((state, error),) = portal.rows("SELECT state, error FROM migrations_app_migration WHERE name = %s", name)
        if state in ("Succeeded", "Failed", "Canceled", "ValidationFailed"):
            return state, error
        time.sleep(0.5)
    return "still running", str(
        portal.rows("SELECT message FROM migrations_app_migrationevent ORDER BY id DESC LIMIT 5")
    )


def endure(portal: LivePortal, sample, target, *, seed: int) -> list[str]:
    """Run one migration through some kills; return what was killed."""
    randomness = random.Random(seed)
    name = f"endures-{seed}"
    start(portal, sample, target, name)
    killed = []
    for _ in range(KILLS_PER_MIGRATION):
        time.sleep(randomness.uniform(0.3, 4.0))
        killed.append(kill_one(portal, randomness))
    state, error = wait_for_the_end(portal, name)
    assert state == "Succeeded", (error, killed)
    databases = "SELECT verified FROM migrations_app_migrationdatabase d JOIN migrations_app_migration m ON m.id = d.migration_id WHERE m.name = %s"
    assert portal.rows(databases, name) == [("identical",)]
    copies = (
        "SELECT p.copies, count(*) FROM migrations_app_part p JOIN migrations_app_migrationdatabase d ON d.id = p.database_id"
        " JOIN migrations_app_migration m ON m.id = d.migration_id WHERE m.name = %s GROUP BY 1"
    )
    assert [row[0] for row in portal.rows(copies, name)] == [1], (portal.rows(copies, name), killed)
    target.drop_database(name)
    return killed


def test_migrations_endure_kills(portal, sample, servers):
    for seed in (1, 2):
        endure(portal, sample, servers.get(18, name="kills"), seed=seed)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_migrations_endure_many_kills(portal, sample, servers, capsys):
    killed: Counter[str] = Counter()
    for seed in range(100, 112):
        killed.update(endure(portal, sample, servers.get(18, name="kills"), seed=seed))
    with capsys.disabled():
        print(f"\n{killed.total()} kills: {dict(killed)}")
    assert killed.total() >= 30
