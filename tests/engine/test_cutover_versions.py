"""There and back between majors, by the portal; older ones lack words, not steps (see test_online_versions.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.clean_up import finish
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.fall_back import followed_back, go_back
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from tests.engine.cutting_over import followed, nothing_of_ours
from tests.fixtures.servers import ServerPool


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(10, 17), (12, 15), (14, 17), (16, 18), (18, 18)])
def test_there_and_back_between_majors(servers: ServerPool, tmp_path: Path, before: int, after: int) -> None:
    online = OnlineOptions(cutover_seconds=60, fall_back=True)
    source, target = servers.get(before), servers.get(after, name="cutover-target")
    with followed(source, target, tmp_path, online=online, through_portal=True) as shop:
        write = "UPDATE accounts SET balance = 1; INSERT INTO scratch VALUES ('w', 1); SELECT lo_put(4711, 0, 'x')"
        source.psql(write, database=shop.database)
        ended = shop.cut_over(level=VerificationLevel.FULL)
        assert ended.result is CutoverResult.DONE, ended
        assert not [each for each in shop.log.differences if each.object_class in ("table", "sequence")]
        target.psql(write.replace("1;", "2;"), database=shop.database)
        back = followed_back(shop.following_after(), shop.reverse_engine)
        request = PersonRequest("2", RequestKind.GO_BACK, shop.database_id, VerificationLevel.COUNTS)
        ended = go_back(back, request)
        assert ended.result is CutoverResult.DONE, ended
        for query in ("SELECT sum(balance) FROM accounts", "SELECT count(*) FROM scratch", "SELECT lo_get(4711)"):
            assert shop.same(query)
        assert finish(back) == ()
        nothing_of_ours(shop)
