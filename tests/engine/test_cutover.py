"""A database moves its use to the target: every step, what a person is told, and what is on the target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.replication.cutover_steps import CutoverResult
from tests.engine.cutting_over import Followed, followed
from tests.fixtures.servers import RunningServer

ROWS = (
    "SELECT (SELECT sum(hashtext(t::text)) FROM accounts t), (SELECT sum(hashtext(t::text)) FROM ledger t),"
    " (SELECT sum(hashtext(t::text)) FROM scratch t), (SELECT sum(hashtext(t::text)) FROM sessions t)"
)


@pytest.fixture
def shop(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[Followed]:
    source, target = pair
    with followed(source, target, tmp_path) as found:
        yield found


def test_everything_is_on_the_target_when_it_opens(shop: Followed) -> None:
    shop.source.psql(
        "UPDATE accounts SET balance = id; INSERT INTO ledger (account, amount) VALUES (1, 5);"
        "INSERT INTO scratch VALUES ('now', 99); DELETE FROM sessions WHERE id < 5;"
        "SELECT lo_unlink(4711), lo_put(4712, 0, 'TWO'), lo_from_bytea(4714, 'four')",
        database=shop.database,
    )
    ended = shop.cut_over()
    assert ended.result is CutoverResult.DONE, ended
    assert shop.same(ROWS)
    assert shop.same("SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY 1")
    assert shop.target.psql("SELECT sum(total) FROM totals", database=shop.database) == shop.target.psql(
        "SELECT sum(amount) FROM ledger", database=shop.database
    )
    assert shop.steps == [
        "readiness",
        "fence",
        "drain",
        "tables",
        "sequences",
        "large_objects",
        "views",
        "verify",
        "open",
    ]
