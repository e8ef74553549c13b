"""After a failure or a cancel nothing of ours stays, and what cannot be removed is told with its statements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.errors import Canceled, LeaseLost
from migrations_app.engine.events import CutoverStepStarted, Event
from migrations_app.engine.replication.clean_up import clean_up
from migrations_app.engine.replication.leftovers import find_leftovers
from tests.engine.cutting_over import Followed, followed
from tests.fixtures.servers import RunningServer, ServerPool

NOTES = "SELECT count(*) FROM _migration_portal.run"


@pytest.fixture
def shop(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[Followed]:
    source, target = pair
    with followed(source, target, tmp_path) as found:
        yield found


def test_a_canceled_migration_leaves_only_its_notes(shop: Followed) -> None:
    following = shop.following()
    assert {each.kind for each in find_leftovers(following.job.source, shop.database, prefix=shop.name)} == {
        "publication",
        "replication slot",
        "schema",
    }
    shop.control.stop(Canceled("Somebody canceled."))
    assert clean_up(following.job, following.engine) == ()
    assert find_leftovers(shop.following().job.source, shop.database, prefix=shop.name) == []
    left = find_leftovers(shop.following().job.target, shop.database, prefix=shop.name)
    assert [(each.kind, each.name) for each in left] == [("schema", "_migration_portal")]
    assert shop.target.psql(NOTES, database=shop.database) == "1"
    assert clean_up(shop.following().job) == (), "may be repeated"


def test_a_source_that_was_left_closed_is_opened(shop: Followed) -> None:
    before = shop.access()

    def lose(event: Event) -> None:
        if isinstance(event, CutoverStepStarted) and event.step == "sequences":
            shop.control.stop(LeaseLost("A newer run took over."))

    with pytest.raises(LeaseLost):
        shop.cut_over(on_event=lose)
    assert shop.access() != before, "the newer run does it"
    assert clean_up(shop.following().job) == ()
    assert shop.access() == before


def test_what_an_older_run_may_not_touch_stays(shop: Followed) -> None:
    following = shop.following()
    shop.control.stop(LeaseLost("A newer run took over."))
    with pytest.raises(LeaseLost):
        clean_up(following.job, following.engine)
    assert shop.source.psql(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{shop.name}'") == "1"


def test_a_server_that_is_gone_does_not_stop_the_rest(servers: ServerPool, tmp_path: Path) -> None:
    with servers.fresh(17) as source, followed(source, servers.get(18), tmp_path) as shop:
        following = shop.following()
        source.stop("immediate")
        (left,) = clean_up(following.job)
        assert left.server == following.job.source.endpoint.label
        assert "pg_drop_replication_slot" in left.statement and "DROP PUBLICATION" in left.statement
        found = next(each for each in shop.log.findings if each.code == "PM4090")
        assert found.fix_sql == left.statement and found.server_message
        assert shop.target.psql(f"SELECT count(*) FROM pg_stat_subscription WHERE subname = '{shop.name}'") == "0"
        source.start()
        assert clean_up(shop.following().job) == ()


def test_whole_rows_are_taken_back_on_both_servers(shop: Followed) -> None:
    """What the follower altered for a table without a key: noted by it, taken back by the end."""
    identity = "SELECT relreplident FROM pg_class WHERE relname = 'scratch'"
    for server in (shop.source, shop.target):
        server.psql("ALTER TABLE scratch REPLICA IDENTITY FULL", database=shop.database)
    shop.target.psql(
        """INSERT INTO _migration_portal.marker VALUES ('identity', '["public", "scratch"]', 'd')""",
        database=shop.database,
    )
    assert clean_up(shop.following().job) == ()
    assert [server.psql(identity, database=shop.database) for server in (shop.source, shop.target)] == ["d", "d"]


def test_whole_rows_stay_where_another_migration_needs_them(shop: Followed) -> None:
    """A late clean-up of one migration must not stop the application of another: its updates would be refused."""
    identity = "SELECT relreplident FROM pg_class WHERE relname = 'scratch'"
    shop.source.psql(
        "ALTER TABLE scratch REPLICA IDENTITY FULL; CREATE PUBLICATION of_another FOR TABLE scratch",
        database=shop.database,
    )
    shop.target.psql(
        """INSERT INTO _migration_portal.marker VALUES ('identity', '["public", "scratch"]', 'd')""",
        database=shop.database,
    )
    assert clean_up(shop.following().job) == ()
    assert shop.source.psql(identity, database=shop.database) == "f"
    shop.source.psql("UPDATE scratch SET n = n + 1", database=shop.database)
    (told,) = [note for note in shop.log.notes if "of_another" in note]
    statement = told.partition("run there: ")[2]
    assert statement == 'ALTER TABLE "public"."scratch" REPLICA IDENTITY DEFAULT;'
    shop.source.psql("DROP PUBLICATION of_another", database=shop.database)
    assert clean_up(shop.following().job) == ()
    assert shop.source.psql(identity, database=shop.database) == "d"


def test_a_database_that_was_never_made_has_nothing_left(shop: Followed) -> None:
    """A migration that failed before its target existed."""
    shop.engine.remove()
    shop.target.drop_database(shop.database)
    assert clean_up(shop.following().job) == ()
    assert not shop.log.findings
    assert not [note for note in shop.log.notes if "While cleaning up" in note]
    shop.target.create_database(shop.database)
