"""After the cutover the way back stays open: what is written on the new target comes to the old source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrations_app.engine.events import OldSourceVisited
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.clean_up import finish
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.fall_back import followed_back, go_back
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.old_source import OldSourceWatch
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from tests.engine.cutting_over import Followed, followed, nothing_of_ours, wait_until
from tests.fixtures.servers import RunningServer

ROWS = "SELECT (SELECT sum(hashtext(t::text)) FROM accounts t), (SELECT sum(hashtext(t::text)) FROM ledger t)"


@pytest.fixture(params=["server to server", "through the portal"])
def shop(
    request: pytest.FixtureRequest, pair: tuple[RunningServer, RunningServer], tmp_path: Path
) -> Iterator[Followed]:
    source, target = pair
    online = OnlineOptions(cutover_seconds=60, fall_back=True)
    through_portal = request.param == "through the portal"
    with followed(source, target, tmp_path, online=online, through_portal=through_portal) as found:
        yield found


def cut_over_with_way_back(shop: Followed) -> Following:
    """Cut over, and follow the new target by a subscription made by hand."""
    ended = shop.cut_over(level=VerificationLevel.COUNTS)
    assert ended.result is CutoverResult.DONE, ended
    assert "reverse" in shop.steps

    return followed_back(shop.following_after(), shop.reverse_engine)


def test_ten_thousand_writes_go_back_and_nothing_is_lost(shop: Followed) -> None:
    back = cut_over_with_way_back(shop)
    with shop.target.connect(shop.database) as application:
        for number in range(100):
            application.execute(
                "INSERT INTO ledger (account, amount) SELECT n %% 100 + 1, %s FROM generate_series(1, 90) n", (number,)
            )
            application.execute("UPDATE accounts SET balance = balance + 1 WHERE id <= 9")
            application.execute("DELETE FROM ledger WHERE id = %s", (number + 1,))
        application.execute("INSERT INTO scratch VALUES ('after', 1)")
        application.execute("SELECT lo_put(4711, 0, 'ONE')")
    with pytest.raises(psycopg.OperationalError, match="permission denied"), shop.as_application() as refused:
        refused.execute("SELECT 1")
    request = PersonRequest("2", RequestKind.GO_BACK, shop.database_id, VerificationLevel.FULL)
    ended = go_back(back, request)
    assert ended.result is CutoverResult.DONE, ended
    assert shop.same(ROWS)
    assert shop.same("SELECT count(*), sum(n) FROM scratch")
    assert shop.same("SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY 1")
    assert ended.downtime_seconds < 30
    with shop.as_application() as application:
        row = application.execute("INSERT INTO ledger (account, amount) VALUES (1, 1) RETURNING id").fetchone()
        top = application.execute("SELECT max(id) FROM ledger WHERE id < %s", row).fetchone()
    assert row is not None and top is not None and row[0] > top[0]
    with pytest.raises(psycopg.OperationalError, match="permission denied"), shop.as_application(shop.target):
        pass
    assert finish(back) == ()
    nothing_of_ours(shop)


def test_finish_leaves_nothing_and_the_old_source_closed_unless_told_to_open_it(shop: Followed) -> None:
    before = shop.access()
    back = cut_over_with_way_back(shop)
    assert shop.access() != before
    shop.target.psql("INSERT INTO ledger (account, amount) VALUES (1, 1)", database=shop.database)
    wait_until(lambda: shop.same("SELECT count(*) FROM ledger"))
    closed = shop.access()
    if shop.through_portal:
        assert finish(back) == ()
        assert shop.access() == closed
        note = next(note for note in shop.log.notes if "stays closed" in note)
        assert f'ALTER DATABASE "{shop.database}" RESET default_transaction_read_only' in note
    else:
        assert finish(back, reopen_left=True) == ()
        assert shop.access() == before
    nothing_of_ours(shop)
    assert finish(back) == (), "may be repeated"


def test_who_still_comes_to_the_old_source_is_named(shop: Followed) -> None:
    back = cut_over_with_way_back(shop)
    watch = OldSourceWatch(back.job)
    assert watch.look().visitors == ()
    with shop.source.connect(shop.database, application_name="forgotten job") as visitor:
        visitor.execute("SET default_transaction_read_only = off")
        visitor.execute("INSERT INTO scratch VALUES ('by mistake', 1)")
        (seen,) = watch.look().visitors
        assert (seen.user, seen.application) == ("postgres", "forgotten job")
        wait_until(lambda: any(each.name == "scratch" for each in watch.look().written))
    seen_again = [event for event in shop.log.events if isinstance(event, OldSourceVisited)]
    assert sum(event.new_sessions for event in seen_again) == 1 and seen_again[0].is_superuser
    assert sum("application forgotten job" in note for note in shop.log.notes) == 1
    assert any("public.scratch" in note for note in shop.log.notes)
    finish(back)
