"""Whatever interrupts a cutover before its last step, the source is as it was, and the changes go on being applied."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from migrations_app.engine.errors import Canceled
from migrations_app.engine.events import CutoverStepStarted, Event
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from tests.engine.cutting_over import Followed, followed, wait_until
from tests.fixtures.servers import ServerPool

STEPS = ("fence", "drain", "tables", "sequences", "large_objects", "views", "verify", "reverse", "open")
COUNT = "SELECT count(*) FROM ledger"


@pytest.fixture(scope="module")
def shared(servers: ServerPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """One database for all tests here: each leaves it as it was, which is what they prove."""
    with followed(servers.get(17), servers.get(18), tmp_path_factory.mktemp("undo")) as found:
        yield found


@pytest.fixture
def shop(shared: Followed) -> Iterator[Followed]:
    """The database, with what a fence changes as it was before in the end."""
    shared.online = OnlineOptions(cutover_seconds=60, fall_back=True)
    before = shared.access()
    yield shared
    assert shared.access() == before
    goes_on(shared)


def goes_on(shop: Followed) -> None:
    """A new row on the source comes to the target, and the notes say so."""
    phase = "SELECT detail FROM _migration_portal.marker WHERE kind = 'phase'"
    assert shop.target.psql(phase, database=shop.database) in ("following", "")
    assert (
        shop.target.psql("SELECT key FROM _migration_portal.marker WHERE kind = 'cutover'", database=shop.database)
        == ""
    )
    shop.source.psql("INSERT INTO ledger (account, amount) VALUES (1, 1)", database=shop.database)
    wait_until(lambda: shop.same(COUNT))
    for server in (shop.source, shop.target):
        assert "back" not in server.psql("SELECT slot_name FROM pg_replication_slots")
        assert "back" not in server.psql("SELECT pubname FROM pg_publication", database=shop.database)


def at(step: str, act: Callable[[], object]) -> Callable[[Event], None]:
    """Do something when a step begins."""

    def on_event(event: Event) -> None:
        if isinstance(event, CutoverStepStarted) and event.step == step:
            act()

    return on_event


@pytest.mark.parametrize("step", STEPS)
def test_a_cancel_at_any_step_undoes_everything(shop: Followed, step: str) -> None:
    with pytest.raises(Canceled):
        shop.cut_over(
            level=VerificationLevel.COUNTS,
            on_event=at(step, lambda: shop.control.stop(Canceled("Somebody canceled."))),
        )
    assert shop.log.ended[-1].result is CutoverResult.UNDONE
    shop.engine.start()


@pytest.mark.parametrize("step", STEPS)
def test_a_portal_killed_at_any_step_is_undone_by_the_next_run(shop: Followed, step: str) -> None:
    child = os.fork()
    if child == 0:
        shop.cut_over(level=VerificationLevel.COUNTS, on_event=at(step, lambda: os._exit(9)))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    ended = shop.later_run()
    if step == "fence":
        assert ended is None
    else:
        assert ended is not None and ended.result is CutoverResult.UNDONE
        assert "interrupted" in ended.message
    shop.engine.start()


def test_complaint_9_a_cutover_that_takes_too_long_is_undone(shop: Followed) -> None:
    shop.online = OnlineOptions(cutover_seconds=3)
    with shop.target.connect(shop.database, autocommit=False) as blocker:
        blocker.execute("LOCK TABLE ledger IN EXCLUSIVE MODE")
        shop.source.psql("INSERT INTO ledger (account, amount) VALUES (1, 1)", database=shop.database)
        ended = shop.cut_over()
    assert ended.result is CutoverResult.UNDONE
    assert ended.message == "It was not done within 3 s."
    assert 3 <= ended.downtime_seconds < 8
    assert shop.steps == ["readiness", "fence", "undo"]


def test_a_difference_keeps_the_target_closed(shop: Followed) -> None:
    shop.target.psql("UPDATE ledger SET note = 'not so' WHERE id = 7", database=shop.database)
    ended = shop.cut_over()
    shop.target.psql("UPDATE ledger SET note = NULL WHERE id = 7", database=shop.database)
    assert ended.result is CutoverResult.UNDONE
    assert "table public.ledger" in ended.message


def test_a_lost_lock_is_a_lost_cutover(shop: Followed) -> None:
    """The session that keeps writers out is ended by an administrator: nothing proves any more that nobody wrote."""

    def end_the_lock() -> None:
        shop.source.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%/lock'")

    ended = shop.cut_over(level=VerificationLevel.COUNTS, on_event=at("open", end_the_lock))
    assert ended.result is CutoverResult.UNDONE
    assert "keeps writers out" in ended.message
