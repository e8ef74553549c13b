"""Each source type is cut over, and comes back, as its restricted administrator and that of a flexible server."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.clean_up import finish
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.fall_back import followed_back, go_back
from migrations_app.engine.spec import OnlineOptions, Side, VerificationLevel
from tests.engine.cutting_over import Followed, followed, nothing_of_ours
from tests.fixtures.providers import PlayedServer, play
from tests.fixtures.servers import ServerPool

ROWS = (
    "SELECT (SELECT sum(hashtext(t::text)) FROM accounts t), (SELECT sum(hashtext(t::text)) FROM ledger t),"
    " (SELECT sum(hashtext(t::text)) FROM scratch t), (SELECT sum(hashtext(t::text)) FROM sessions t)"
)


def may_replicate(played: PlayedServer) -> PlayedServer:
    """What the user has done before, as the validation told him."""
    played.superuser(f'ALTER ROLE "{played.profile.admin}" REPLICATION')
    return played


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source_type", "through_portal"),
    [("rds", True), ("aurora", True), ("cloudsql", False), ("azure", True), ("self", False)],
)
def test_there_and_back_without_a_superuser(
    servers: ServerPool, tmp_path: Path, source_type: str, through_portal: bool
) -> None:
    source = may_replicate(play(servers, source_type, 15, name="cutover"))
    target = may_replicate(play(servers, "azure", 18, name="cutover"))
    with followed(
        source.server,
        target.server,
        tmp_path,
        source_login=source.admin(Side.SOURCE),
        target_login=target.admin(Side.TARGET),
        online=OnlineOptions(cutover_seconds=60, fall_back=True),
        through_portal=through_portal,
    ) as shop:
        write(shop, source)
        with shop.as_application():
            ended = shop.cut_over(level=VerificationLevel.FULL)
        assert ended.result is CutoverResult.DONE, ended
        assert shop.detail("fence").startswith("1 session ended, 4 tables locked")
        assert not [each for each in shop.log.differences if each.object_class in ("table", "sequence")]
        assert shop.same(ROWS)
        write(shop, target)
        back = followed_back(shop.following_after(), shop.reverse_engine)
        request = PersonRequest("2", RequestKind.GO_BACK, shop.database_id, VerificationLevel.FULL)
        ended = go_back(back, request)
        assert ended.result is CutoverResult.DONE, ended
        assert shop.same(ROWS)
        assert shop.same("SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY 1")
        assert finish(back) == ()
        nothing_of_ours(shop)


def write(shop: Followed, server: PlayedServer) -> None:
    """Work on all kinds of tables and on the large objects."""
    server.as_admin(
        "UPDATE accounts SET balance = balance + id; INSERT INTO ledger (account, amount) VALUES (1, 5);"
        "INSERT INTO scratch VALUES ('now', 99); DELETE FROM sessions WHERE id < 5;"
        "SELECT lo_put(4712, 0, 'TWO'), lo_create(0)",
        database=shop.database,
    )
