"""What users of other tools complained about in cutovers: facts/peers-and-complaints.md §2, a test for each number."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migrations_app.engine.events import CutoverStepStarted, Event
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.replication.apply import ApplyState, ApplyStatus
from migrations_app.engine.replication.cutover import cut_over
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.spec import OnlineOptions, VerificationLevel
from tests.engine.cutting_over import Followed, followed, wait_until
from tests.engine.hand_made import HandMade
from tests.fixtures.servers import RunningServer


@pytest.fixture
def shop(pair: tuple[RunningServer, RunningServer], tmp_path: Path) -> Iterator[Followed]:
    source, target = pair
    with followed(source, target, tmp_path) as found:
        yield found


class Boasting(HandMade):
    """Says that everything is applied, as a position does that a keepalive moved."""

    def status(self) -> ApplyStatus:
        return ApplyStatus(ApplyState.APPLYING, received_lsn=2**62, applied_lsn=2**62)


def test_complaint_2_a_position_alone_is_no_proof(shop: Followed) -> None:
    """The apply stopped, and its position says that all is well: our row behind the fence does not come."""
    shop.online = OnlineOptions(cutover_seconds=3)
    before, following = shop.access(), shop.following()
    boasting = Boasting(shop.source, shop.target, shop.database, shop.name)
    boasting.pause()
    shop.source.psql("INSERT INTO ledger (account, amount) VALUES (1, 1)", database=shop.database)
    request = PersonRequest("1", RequestKind.CUTOVER, shop.database_id, VerificationLevel.COUNTS)
    ended = cut_over(replace(following, engine=boasting), request)
    assert ended.result is CutoverResult.UNDONE
    assert shop.begun[-2:] == ["drain", "undo"]
    assert shop.access() == before


def test_complaint_9_an_idle_source_is_cut_over_in_moments(shop: Followed) -> None:
    ended = shop.cut_over(level=VerificationLevel.COUNTS)
    assert ended.result is CutoverResult.DONE, ended
    assert ended.downtime_seconds < 10


def test_complaint_25_superusers_and_our_own_user_cannot_write_either(shop: Followed) -> None:
    """A job that logs in as the portal's user, and comes again whenever it is ended, meets locks and read-only sessions."""
    over, written, refused = threading.Event(), list[int](), list[str]()

    def insist() -> None:
        while not over.is_set():
            try:
                with shop.source.connect(shop.database, application_name="insistent") as job:
                    while not over.is_set():
                        job.execute("SET lock_timeout = '100ms'")
                        row = job.execute("INSERT INTO ledger (account, amount) VALUES (1, 1) RETURNING id").fetchone()
                        assert row is not None
                        written.append(row[0])
            except psycopg.Error as error:
                refused.append(type(error).__name__)

    job = threading.Thread(target=insist)
    job.start()
    try:
        ended = shop.cut_over(level=VerificationLevel.FULL)
    finally:
        over.set()
        job.join()
    assert ended.result is CutoverResult.DONE, ended
    with shop.target.connect(shop.database) as target:
        rows = target.execute("SELECT id FROM ledger WHERE id = ANY (%s)", (written,)).fetchall()
    assert written and len(rows) == len(written), "every acknowledged row is there"
    assert "LockNotAvailable" in refused or "ReadOnlySqlTransaction" in refused


@pytest.mark.parametrize("side", ["source", "target"])
def test_complaint_7_a_server_that_restarts_during_the_cutover(
    shop: Followed, side: str, pair: tuple[RunningServer, RunningServer]
) -> None:
    """Nothing is left half done: the source is open as before, whichever server went away for a moment."""
    before, server = shop.access(), pair[0] if side == "source" else pair[1]

    def restart(event: Event) -> None:
        if isinstance(event, CutoverStepStarted) and event.step == "sequences":
            server.restart("immediate")

    ended = shop.cut_over(level=VerificationLevel.COUNTS, on_event=restart)
    assert ended.result is CutoverResult.UNDONE, ended
    assert shop.access() == before
    wait_until(lambda: shop.engine is not None and shop.engine.status().state is ApplyState.APPLYING)
    assert shop.cut_over(level=VerificationLevel.COUNTS).result is CutoverResult.DONE
