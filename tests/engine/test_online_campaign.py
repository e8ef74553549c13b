"""Random runs of online migrations, with whatever may die dying meanwhile. Run with ./run campaign.

``ONLINE_RUNS`` (100) and ``ONLINE_SEED`` (1) say which seeds. Each run draws majors, engine, workload and faults from its seed:
sessions of both servers ended, servers restarted or killed, the run itself taken over by a newer one, prepared
transactions, truncates, big transactions. After the cutover every acknowledged transaction must be on the target, and
every row of every table must be the same on both servers.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_app.engine.errors import LeaseLost, Stopped
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import RunningServer, ServerPool
from tests.fixtures.workload import Workload, fill

RUNS, FIRST = int(os.environ.get("ONLINE_RUNS", "100")), int(os.environ.get("ONLINE_SEED", "1"))
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]
SETTINGS = {"wal_level": "logical", "max_prepared_transactions": 10, "fsync": "on"}
CUTOVER_ATTEMPTS = 6
TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'shop', 'Sp ace')"
    " ORDER BY 1"
)
ROWS = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} AS t"
Fault = Callable[[OnlineMove, random.Random], str]


def _end_sessions(server: RunningServer, like: str) -> str:
    return server.psql(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        f" AND ({like}) ORDER BY random() LIMIT 2) AS chosen"
    )


def _end_ours_on_source(move: OnlineMove, dice: random.Random) -> str:
    return "ours on the source ended: " + _end_sessions(move.source, "application_name LIKE 'pgmig%'")


def _end_ours_on_target(move: OnlineMove, dice: random.Random) -> str:
    likes = "application_name LIKE 'pgmig%' OR backend_type LIKE 'logical replication%apply%'"
    return "ours on the target ended: " + _end_sessions(move.target, likes)


def _restart_source(move: OnlineMove, dice: random.Random) -> str:
    move.source.restart("fast")
    return "source restarted"


def _restart_target(move: OnlineMove, dice: random.Random) -> str:
    move.target.restart("fast")
    return "target restarted"


def _crash_source(move: OnlineMove, dice: random.Random) -> str:
    move.source.kill()
    time.sleep(dice.random())
    move.source.start()
    return "source killed"


def _crash_target(move: OnlineMove, dice: random.Random) -> str:
    move.target.kill()
    time.sleep(dice.random())
    move.target.start()
    return "target killed"


def _take_over(move: OnlineMove, dice: random.Random) -> str:
    """The worker lost its lease; another one takes over."""
    if move.thread is None or not move.thread.is_alive():
        return "nobody to take over from"
    move.control.stop(LeaseLost("Another worker owns the migration."))
    move.thread.join(60)
    move.start()
    return "another run took over"


FAULTS: tuple[Fault, ...] = (
    _end_ours_on_source,
    _end_ours_on_target,
    _restart_source,
    _restart_target,
    _crash_source,
    _crash_target,
    _take_over,
    _take_over,
)


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_a_random_run(servers: ServerPool, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(seed)
    major = dice.choice([15, 16, 17, 18])
    engine = dice.choice([ApplyChoice.SERVER_TO_SERVER, ApplyChoice.THROUGH_PORTAL])
    online = OnlineOptions(apply=engine, cutover_seconds=60, sequence_headroom=dice.choice([0, 1000]))
    target_major = dice.choice([each for each in (15, 17, 18) if each >= major])
    said = [f"seed {seed}: {major} to {target_major}, {engine.value}"]
    try:
        with (
            servers.fresh(major, **SETTINGS) as source,
            servers.fresh(target_major, **SETTINGS) as target,
            moving_online(source, target, tmp_path, schema="SELECT 1", online=online) as move,
        ):
            fill(source, move.databases[0])
            if engine is ApplyChoice.SERVER_TO_SERVER:  # a subscription cannot look up whole rows with json in them
                source.psql("ALTER TABLE shop.log ALTER details TYPE jsonb", database=move.databases[0])
            _run(move, dice, seed=seed, said=said)
    finally:
        with capsys.disabled():
            sys.stdout.write("; ".join(said) + "\n")
            sys.stdout.flush()


def _run(move: OnlineMove, dice: random.Random, *, seed: int, said: list[str]) -> None:
    name = move.databases[0]
    with Workload(move.source.cluster.conninfo(database=name), seed=seed, two_phase=dice.random() < 0.5) as workload:
        time.sleep(dice.random())
        move.start()
        for _ in range(dice.randint(2, 5)):
            time.sleep(dice.random() * 3)
            said.append(dice.choice(FAULTS)(move, dice))
            _keep_running(move)
        _until_caught_up(move)
        before = workload.acknowledged
        _cut_over(move, dice, said=said)
        move.until(lambda: move.thread is not None and not move.thread.is_alive())
        workload.stop()
    assert move.outcome is not None and move.outcome.succeeded, move.outcome
    assert workload.acknowledged >= before > 0
    missing = workload.missing_on(move.target, name)
    assert not missing, f"{len(missing)} of {workload.acknowledged} acknowledged transactions are lost: {missing[:5]}"
    assert _contents(move.source, name) == _contents(move.target, name)
    said.append(f"{workload.acknowledged:,} transactions")


def _keep_running(move: OnlineMove) -> None:
    """The portal calls again what had nothing to do, and lets a person resume what failed."""
    if move.thread is not None and not move.thread.is_alive():
        assert move.error is None or isinstance(move.error, Stopped), move.error
        move.start()


def _until_caught_up(move: OnlineMove) -> None:
    deadline = time.monotonic() + 180
    while True:
        _keep_running(move)
        try:
            move.until_caught_up()
            return
        except AssertionError:
            if time.monotonic() > deadline or move.log.failures:
                raise


def _cut_over(move: OnlineMove, dice: random.Random, *, said: list[str]) -> None:
    """A cutover that met a prepared or a long transaction, or a fault, is undone: then people try again."""
    for attempt in range(CUTOVER_ATTEMPTS):
        if attempt == 0 and dice.random() < 0.2:
            succeeded, message = _disturbed_cutover(move, dice, said=said)
        else:
            succeeded, message = move.answer(RequestKind.CUTOVER, seconds=120)
        if succeeded:
            return
        said.append(f"cutover undone ({message[:90]})")
        time.sleep(1)
    raise AssertionError(f"no cutover in {CUTOVER_ATTEMPTS} attempts")


def _disturbed_cutover(move: OnlineMove, dice: random.Random, *, said: list[str]) -> tuple[bool, str]:
    request = move.requests.ask(RequestKind.CUTOVER, move.id_of(move.databases[0]))

    def is_answered() -> bool:
        if request.id not in move.requests.ended:
            _keep_running(move)
        return request.id in move.requests.ended

    _keep_running(move)
    time.sleep(dice.random() * 2)
    said.append("in the cutover " + dice.choice(FAULTS)(move, dice))
    move.until(is_answered, 180)
    return move.requests.ended[request.id]


def _contents(server: RunningServer, database: str) -> dict[str, str]:
    names = server.psql(TABLES, database=database).splitlines()
    return {name: server.psql(ROWS.replace("{}", name), database=database) for name in names}
