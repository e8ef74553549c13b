"""Each source type of the mission moves online to a flexible server, as both restricted administrators, while in use.

pgbench and the writers of nasty transactions work until they are closed out; what the servers acknowledged is counted.
The suite has three of them and both apply engines; ./run campaign has the rest, on other majors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrations_app.engine.events import CutoverBegan, CutoverStepFinished, Event
from migrations_app.engine.findings import Level
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.spec import OnlineOptions
from tests.engine.moving_from_providers import (
    ACCESS,
    HISTORY,
    PASSWORD,
    Application,
    ProviderMove,
    acknowledged_by,
    busy_shop,
    contents,
    wait_for_work,
)
from tests.fixtures.providers import play
from tests.fixtures.servers import ServerPool

NATIVE, PORTAL = ApplyKind.SERVER_TO_SERVER, ApplyKind.THROUGH_PORTAL
SERVER = "online-providers"


@dataclass(frozen=True)
class Case:
    """One source type by one apply engine; ``back``: after the cutover it goes back, before that it is written to."""

    source_type: str
    profile: str
    majors: tuple[int, int]
    engine: ApplyKind
    back: bool = False

    def __str__(self) -> str:
        """``AWS_RDS 13 to 18 by server_to_server``, for people."""
        return f"{self.source_type} {self.majors[0]} to {self.majors[1]} by {self.engine.value}"


IN_THE_SUITE = (
    Case("AWS_RDS", "rds", (13, 18), NATIVE),
    Case("OnPremises", "self", (12, 18), PORTAL),
    Case("GCP_CloudSQL", "cloudsql", (17, 18), NATIVE, back=True),
)
IN_THE_CAMPAIGN = (
    Case("AWS_AURORA", "aurora", (16, 17), PORTAL, back=True),
    Case("AzureVM", "self", (15, 17), NATIVE, back=True),
    Case("AWS_RDS", "rds", (15, 15), PORTAL, back=True),
    Case("AWS_AURORA", "aurora", (14, 17), NATIVE),
    Case("GCP_CloudSQL", "cloudsql", (18, 18), PORTAL, back=True),
    Case("OnPremises", "self", (14, 18), NATIVE),
    Case("AzureVM", "self", (18, 18), PORTAL, back=True),
)
CASES = [
    *(pytest.param(case, id=f"{case.source_type}-{case.engine.value}") for case in IN_THE_SUITE),
    *(
        pytest.param(case, id=f"{case.source_type}-{case.engine.value}", marks=pytest.mark.campaign)
        for case in IN_THE_CAMPAIGN
    ),
]


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_busy_shop_is_cut_over(
    servers: ServerPool, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    source = play(servers, case.profile, case.majors[0], name=SERVER)
    target = play(servers, "azure", case.majors[1], name=f"{SERVER}-target")
    with busy_shop(
        source,
        target,
        tmp_path,
        source_type=case.source_type,
        online=OnlineOptions(cutover_seconds=60, fall_back=case.back),
        sslmode="require" if case.engine is NATIVE else None,  # a file of the source's authority is not on the target
        with_json=case.engine is PORTAL,
    ) as (move, shop):
        mended = move.mend()
        assert mended >= {"603104", "PM3073"} | ({"PM3080"} if case.back else set()), mended
        before = source.superuser(ACCESS, database=shop.database)
        said = [f"{case}: {_there(move, shop, case)}"]
        if case.back:
            said.append(_back(move, shop))
            assert source.superuser(ACCESS, database=shop.database) == before
        outcome = move.wait()
        assert outcome.succeeded
        assert move.left_behind() == []
        assert not [each for each in move.log.findings if each.level is Level.FAILED or each.code == "PM4090"]
    with capsys.disabled():
        sys.stdout.write("\n" + "; ".join(said) + "\n")


def _there(move: ProviderMove, shop: Application, case: Case) -> str:
    """Cut over under load, and prove on one's own what the product says."""
    with shop.working(move.source, seed=1) as (workload, bench):
        wait_for_work(workload, more=5)
        move.start()
        move.until_caught_up()
        assert move.started[-1].engine is case.engine, move.started
        wait_for_work(workload, more=30)
        move.ask(RequestKind.CUTOVER)
        processed = acknowledged_by(bench)
        workload.stop()
    assert not workload.missing_on(move.target, shop.database)
    assert processed <= int(move.target.psql(HISTORY, database=shop.database)) <= processed + 2
    return f"{_proved(move, shop)} {workload.acknowledged:,} nasty transactions, {processed:,} of pgbench's"


def _back(move: ProviderMove, shop: Application) -> str:
    """Work on the new target, with a new password since hashes cannot be copied, and go back."""
    _, target = move.ends
    target.as_admin(f"ALTER ROLE {shop.role} PASSWORD '{PASSWORD}'")
    with shop.working(move.target, seed=2) as (workload, bench):
        wait_for_work(workload, more=30)
        move.ask(RequestKind.GO_BACK)
        processed = acknowledged_by(bench)
        workload.stop()
    assert processed > 0
    assert not workload.missing_on(move.source, shop.database)
    engine = move.started[-1].engine.value
    return f"and back by {engine}: {_proved(move, shop)} {workload.acknowledged:,} transactions more"


def _proved(move: ProviderMove, shop: Application) -> str:
    """Tell the time line of the last cutover, after a look at both servers that is not the product's."""
    ended = move.log.ended[-1]
    differences = [each for each in move.log.differences if each.object_class in ("table", "sequence", "large objects")]
    assert differences == []
    assert contents(move.source, shop.database) == contents(move.target, shop.database)
    assert 0 < ended.downtime_seconds < 60
    return f"closed for {ended.downtime_seconds:.2f} s ({', '.join(_steps([*move.log.events]))}),"


def _steps(events: Sequence[Event]) -> list[str]:
    """The steps of the last attempt."""
    began = max(number for number, event in enumerate(events) if isinstance(event, CutoverBegan))
    return [f"{each.step}: {each.detail}" for each in events[began:] if isinstance(each, CutoverStepFinished)]
