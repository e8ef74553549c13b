"""A portal that dies near the end, or while going back: the next run brings it to an end, on one side only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrations_app.engine.events import CutoverEnded, CutoverStepStarted, Direction, Event
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.clean_up import finish
from migrations_app.engine.replication.cutover import settle
from migrations_app.engine.replication.cutover_notes import CutoverNotes
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.fall_back import followed_back, go_back
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from tests.engine.cutting_over import Followed, followed, nothing_of_ours, wait_until
from tests.fixtures.servers import RunningServer


@pytest.fixture
def shop(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[Followed]:
    source, target = pair
    online = OnlineOptions(cutover_seconds=60, fall_back=True)
    with followed(source, target, tmp_path, online=online) as found:
        yield found


def dies(work: Callable[[], object]) -> None:
    """Do the work in a process of its own, which is expected to end itself."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def at_step(step: str) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, CutoverStepStarted) and event.step == step:
            os._exit(9)

    return on_event


def at_end(event: Event) -> None:
    if isinstance(event, CutoverEnded):
        os._exit(9)


def test_past_the_point_of_no_return_the_next_run_goes_on(shop: Followed) -> None:
    """The event of the end was not stored any more: it is told again, and the source is not reopened."""
    before = shop.access()
    dies(lambda: shop.cut_over(level=VerificationLevel.COUNTS, on_event=at_end))
    assert CutoverNotes(shop.following_after().job).interrupted() is Direction.FORWARD
    ended = shop.later_run()
    assert ended is not None and ended.result is CutoverResult.DONE
    assert ended.downtime_seconds > 0 and "stays closed" in ended.hint
    assert shop.access() != before
    assert CutoverNotes(shop.following_after().job).interrupted() is None
    assert shop.later_run() is None, "it is told once"
    assert shop.target.psql("SELECT count(*) FROM pg_stat_subscription WHERE subname LIKE 'pgmig%'") == "0"


@pytest.mark.parametrize("step", ["drain", "verify", "open"])
def test_a_portal_killed_while_going_back_leaves_the_target_open(shop: Followed, step: str) -> None:
    assert shop.cut_over(level=VerificationLevel.COUNTS).result is CutoverResult.DONE
    open_target, closed_source = shop.access(shop.target), shop.access()
    back = followed_back(shop.following_after(), shop.reverse_engine)
    request = PersonRequest("2", RequestKind.GO_BACK, shop.database_id, VerificationLevel.COUNTS)
    shop.log.on_event = at_step(step)
    dies(lambda: go_back(back, request))
    shop.log.on_event = None
    assert CutoverNotes(back.job).interrupted() is Direction.REVERSE
    ended = settle(back, Direction.REVERSE)
    assert ended is not None and ended.result is CutoverResult.UNDONE
    assert shop.access(shop.target) == open_target and shop.access() == closed_source
    shop.target.psql("INSERT INTO ledger (account, amount) VALUES (1, 1)", database=shop.database)
    wait_until(lambda: shop.same("SELECT count(*) FROM ledger"))
    assert go_back(back, request).result is CutoverResult.DONE
    assert finish(back) == ()
    nothing_of_ours(shop)
