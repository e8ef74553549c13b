"""The demo's sample database, with all that is odd in it, is moved online while its shop is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from portal.demo.sample import build_sample
from tests.engine.following_online import moving_online
from tests.fixtures.servers import ServerPool

SALES = """
UPDATE stock.levels SET on_hand = on_hand + 1 WHERE product_id % 2 = 0;
UPDATE staff.holidays SET employee_id = employee_id;
DELETE FROM stock.movements WHERE id = (SELECT min(id) FROM stock.movements);
INSERT INTO shop.orders (ordered_at, customer_id, country, total) VALUES (now(), 1, 'DE', 1999);
INSERT INTO shop.coupons SELECT * FROM shop.coupons LIMIT 1;
"""


@pytest.mark.parametrize("engine", [ApplyChoice.SERVER_TO_SERVER, ApplyChoice.THROUGH_PORTAL])
def test_the_sample_moves_online_and_is_identical(servers: ServerPool, tmp_path: Path, engine: ApplyChoice) -> None:
    online = OnlineOptions(apply=engine, cutover_seconds=60, sequence_headroom=0)
    source, target = servers.get(18), servers.get(18, name="target")
    with moving_online(source, target, tmp_path, schema="SELECT 1", online=online) as move:
        with source.connect(move.databases[0]) as connection:
            build_sample(connection, "small")
        move.start()
        move.until_caught_up()
        move.write(SALES)
        move.ask(RequestKind.CUTOVER)
        outcome = move.wait()
        assert not move.log.differences, [(each.object_class, each.name, each.detail) for each in move.log.differences]
        assert outcome.succeeded
        move.assert_same_dump()
