"""Random runs of online migrations, with whatever may die dying meanwhile. Run with ./run campaign.

``ONLINE_RUNS`` (100) and ``ONLINE_SEED`` (1), or ``ONLINE_SEEDS`` (4,17), say which seeds; ``ONLINE_RESULTS`` names a file to which a line of JSON is
added for each. A run draws majors, engine, workload, faults, changes of the schema and the end from its seed: after the
cutover (and after going back) every acknowledged transaction must be there and every row the same on both servers; what
cannot be survived must be told, and no cutover succeed after it.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower, watching
from migrations_app.engine.replication.cutover_steps import CutoverStep
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, VerificationLevel
from tests.engine.following_online import moving_online
from tests.engine.online_dooms import doom, dooms_for
from tests.engine.online_faults import DURING_COPY, IN_CUTOVER, WHILE_FOLLOWING
from tests.engine.online_same import contents
from tests.engine.online_schema_changes import TABLES, Change, change_schema, copy_new_table, settle_new_table, shape
from tests.engine.online_stage import Stage, WiredMove
from tests.fixtures.servers import RunningServer, ServerPool
from tests.fixtures.wires import Wire
from tests.fixtures.workload import DEEDS, Deeds, Workload, big_insert, big_update, fill, truncate

RUNS, FIRST = int(os.environ.get("ONLINE_RUNS", "100")), int(os.environ.get("ONLINE_SEED", "1"))
SEEDS = [int(each) for each in os.environ.get("ONLINE_SEEDS", "").split(",") if each] or range(FIRST, FIRST + RUNS)
RESULTS = os.environ.get("ONLINE_RESULTS", "")
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]
# No test cuts the machine's power: what a killed server has written is in the kernel's hands, synced or not.
SETTINGS = {"wal_level": "logical", "max_prepared_transactions": 10}
CUTOVER_ATTEMPTS, PAUSE_SECONDS = 8, 0.04
RARE = (truncate, big_update, big_insert)
STEPS = [step for step in CutoverStep if step not in (CutoverStep.READINESS, CutoverStep.REVERSE)]


@dataclass(frozen=True)
class Draw:
    """What a seed says before anything has happened."""

    seed: int
    major: int
    target_major: int
    engine: ApplyChoice
    in_child: bool
    two_phase: bool
    headroom: int
    level: VerificationLevel
    doom: str
    changes_schema: bool
    way_back: bool

    def __str__(self) -> str:
        words = "a process" if self.in_child else "a thread"
        return f"seed {self.seed}: {self.major} to {self.target_major}, {self.engine.value}, in {words}"


def draw(seed: int, dice: random.Random) -> Draw:
    """Draw a run. Every fourth ends in something that cannot be survived."""
    major = dice.choice([15, 16, 17, 18])
    engine = dice.choice([ApplyChoice.SERVER_TO_SERVER, ApplyChoice.THROUGH_PORTAL])
    kinds = dooms_for(engine)
    return Draw(
        seed=seed,
        major=major,
        target_major=dice.choice([each for each in (15, 17, 18) if each >= major]),
        engine=engine,
        in_child=dice.random() < 0.7,
        two_phase=dice.random() < 0.5,
        headroom=dice.choice([0, 1000]),
        level=dice.choice([VerificationLevel.COUNTS, VerificationLevel.FULL]),
        doom=kinds[(seed // 4) % len(kinds)].kind if seed % 4 == 0 else "",
        changes_schema=dice.random() < 0.4,
        way_back=dice.random() < 0.3,
    )


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)
    monkeypatch.setattr(watching, "COMPARE_SECONDS", 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_run(servers: ServerPool, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(seed)
    drawn = draw(seed, dice)
    began_at, result, said = time.monotonic(), "FAILED", list[str]()
    try:
        with _staged(servers, tmp_path, drawn, dice) as stage:
            said = stage.said
            _run(stage, drawn)
        result = "refused" if drawn.doom else "identical"
    except BaseException as error:
        said.append(f"{type(error).__name__}: {error}"[:9000])
        raise
    finally:
        _tell(drawn, said, result=result, seconds=time.monotonic() - began_at, capsys=capsys)


def _tell(drawn: Draw, said: list[str], *, result: str, seconds: float, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write("; ".join([str(drawn), *said, f"{result} in {seconds:.0f} s"]) + "\n")
        sys.stdout.flush()
    if RESULTS:
        with Path(RESULTS).open("a") as file:
            file.write(json.dumps(asdict(drawn) | {"said": said, "result": result, "seconds": round(seconds)}) + "\n")


@contextmanager
def _staged(servers: ServerPool, tmp_path: Path, drawn: Draw, dice: random.Random) -> Iterator[Stage]:
    online = OnlineOptions(
        apply=drawn.engine, cutover_seconds=60, sequence_headroom=drawn.headroom, fall_back=drawn.way_back
    )
    with (
        servers.fresh(drawn.major, **SETTINGS) as source,
        servers.fresh(drawn.target_major, **SETTINGS) as target,
        Wire(source.port) as source_wire,
        Wire(target.port) as target_wire,
        moving_online(
            source,
            target,
            tmp_path,
            schema="SELECT 1",
            kind=WiredMove,
            online=online,
            source_wire=source_wire,
            target_wire=target_wire,
            in_child=drawn.in_child,
        ) as move,
    ):
        name = move.databases[0]
        fill(source, name)
        move.write(TABLES)
        if drawn.engine is ApplyChoice.SERVER_TO_SERVER:  # a subscription cannot look up whole rows with json in them
            move.write("ALTER TABLE shop.log ALTER details TYPE jsonb")
        with Workload(
            source.cluster.conninfo(database=name),
            seed=drawn.seed,
            two_phase=drawn.two_phase,
            deeds=_mixed(dice),
            pause_seconds=PAUSE_SECONDS,
        ) as workload:
            yield Stage(move, dice, workload)


def _mixed(dice: random.Random) -> Deeds:
    """Each deed more often or less often than usual; but a copy cannot begin where tables are emptied all the time,
    and a small machine that runs everything does not catch up with big transactions alone.
    """
    often = [(weight, deed, dice.choice([0.2, 1, 1, 2, 4])) for weight, deed in (*DEEDS, (6, shape))]
    return [(weight * (min(1, factor) if deed in RARE else factor), deed) for weight, deed, factor in often]


def _run(stage: Stage, drawn: Draw) -> None:
    move, dice, said = stage.move, stage.dice, stage.said
    time.sleep(dice.random())
    move.start()
    for _ in range(dice.randint(1, 3)):
        time.sleep(dice.random() * 2)
        said.append(dice.choice(DURING_COPY)(stage))
        stage.keep_running()
    stage.until_caught_up()
    for _ in range(dice.randint(1, 3)):
        said.append(dice.choice(WHILE_FOLLOWING)(stage))
        time.sleep(dice.random() * 2)
    change = change_schema(stage) if drawn.changes_schema and not drawn.doom else None
    stage.until_caught_up()
    if drawn.doom:
        _be_doomed(stage, drawn)
        return
    is_late = settle_new_table(stage, change)
    before = stage.workload.acknowledged
    _cross(stage, RequestKind.CUTOVER, drawn.level)
    stage.workload.stop()
    assert stage.workload.acknowledged >= before > 0
    _finish(stage, drawn, change if is_late else None)
    said.append(f"transactions: {stage.workload.acknowledged}")


def _be_doomed(stage: Stage, drawn: Draw) -> None:
    (kind,) = [each for each in dooms_for(drawn.engine) if each.kind == drawn.doom]
    doom(stage, kind)
    stage.said.append(f"transactions: {stage.workload.acknowledged}")
    stage.workload.stop()


def _cross(stage: Stage, kind: RequestKind, level: VerificationLevel) -> None:
    """A cutover that met a prepared or a long transaction, or a fault, is undone: then people try again."""
    for attempt in range(CUTOVER_ATTEMPTS):
        if attempt == 0 and stage.dice.random() < 0.6:
            succeeded, message = _disturbed(stage, kind, level)
        else:
            succeeded, message = stage.answer(kind, level=level)
        if succeeded:
            return
        stage.said.append(f"cutover undone ({message[:90]})")
        if "Cut over with full verification" in message:  # definitions were changed meanwhile: only rows tell
            level = VerificationLevel.FULL
        time.sleep(1)
        stage.until_close()
    raise AssertionError(f"no cutover in {CUTOVER_ATTEMPTS} attempts")


def _disturbed(stage: Stage, kind: RequestKind, level: VerificationLevel) -> tuple[bool, str]:
    """The run ends as a step begins, or anything happens at any time of it."""
    stage.keep_running()
    if stage.dice.random() < 0.5:
        stage.stop_at = stage.dice.choice(STEPS)
        answered = stage.answer(kind, level=level)
        stage.stop_at = None
        return answered
    number = stage.ask(kind, level=level)
    time.sleep(stage.dice.random() * 2)
    stage.said.append("in the cutover " + stage.dice.choice(IN_CUTOVER)(stage))
    stage.until(lambda: number in stage.move.requests.ended, why="answer")
    return stage.move.requests.ended[number]


def _finish(stage: Stage, drawn: Draw, late: Change | None) -> None:
    move, name = stage.move, stage.database
    if late is not None:
        copy_new_table(stage)
    _must_be_same(stage, stage.workload, move.target)
    if drawn.way_back and late is None:
        _go_back(stage, drawn)
    elif drawn.way_back:
        succeeded, why = stage.answer(RequestKind.FINISH)
        assert succeeded, why
    stage.until(lambda: stage.has_ended, why="the end")
    assert move.outcome is not None and (move.outcome.succeeded or late is not None), move.outcome
    for server in (move.source, move.target):
        assert move.left_on(server, name) == ""


def _go_back(stage: Stage, drawn: Draw) -> None:
    """People work on the new server, things happen, and they go back to the old one."""
    target = stage.move.target.cluster.conninfo(database=stage.database)
    with Workload(target, seed=drawn.seed, first=10, deeds=_mixed(stage.dice), pause_seconds=PAUSE_SECONDS) as workload:
        for _ in range(stage.dice.randint(1, 2)):
            time.sleep(1 + stage.dice.random())
            stage.said.append("on the way back " + stage.dice.choice(IN_CUTOVER)(stage))
            stage.keep_running()
        before = workload.acknowledged
        _cross(stage, RequestKind.GO_BACK, drawn.level)
        workload.stop()
        assert workload.acknowledged >= before > 0
    _must_be_same(stage, workload, stage.move.source)
    stage.said.append(f"gone back: {workload.acknowledged} transactions")


def _must_be_same(stage: Stage, workload: Workload, entered: RunningServer) -> None:
    missing = workload.missing_on(entered, stage.database)
    assert not missing, f"{len(missing)} of {workload.acknowledged} acknowledged transactions are lost: {missing[:5]}"
    source, target = (contents(server, stage.database) for server in (stage.move.source, stage.move.target))
    assert source == target, {name: (source.get(name), target.get(name)) for name in source | target
                              if source.get(name) != target.get(name)}  # fmt: skip
