"""A rehearsal says how long a cutover would take, and closes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.rehearsal import rehearse
from migrations_app.engine.spec import VerificationLevel
from tests.engine.cutting_over import Followed, followed
from tests.fixtures.servers import RunningServer


@pytest.fixture
def shop(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[Followed]:
    source, target = pair
    with followed(source, target, tmp_path) as found:
        yield found


def test_what_a_rehearsal_expects_is_about_what_a_cutover_takes(shop: Followed) -> None:
    shop.source.psql("INSERT INTO ledger (account, amount) VALUES (1, 5)", database=shop.database)
    request = PersonRequest("1", RequestKind.REHEARSE, shop.database_id, VerificationLevel.FULL)
    before = shop.access()
    with shop.as_application() as application:
        expected = rehearse(shop.following(), request)
        application.execute("INSERT INTO ledger (account, amount) VALUES (1, 6)")
    assert expected.result is CutoverResult.REHEARSED, expected
    assert shop.access() == before
    assert expected.message.startswith("Expected downtime about ")
    for step in ("fence", "drain", "tables", "sequences", "large objects", "views", "verify", "open"):
        assert f"{step} " in expected.message
    taken = shop.cut_over()
    assert taken.result is CutoverResult.DONE, taken
    assert expected.downtime_seconds / 5 < taken.downtime_seconds < expected.downtime_seconds * 5


def test_what_a_cutover_would_refuse_is_told(shop: Followed) -> None:
    assert shop.engine is not None
    shop.engine.pause()
    request = PersonRequest("1", RequestKind.REHEARSE, shop.database_id, VerificationLevel.COUNTS)
    ended = rehearse(shop.following(), request)
    assert ended.result is CutoverResult.UNDONE
    assert ended.message.startswith("The changes are not being applied")
    assert ended.downtime_seconds == 0
