"""Online on the command line: options of create, what is asked of a followed database, and what is shown of one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import timezone

from migrations_app.cli import online_arguments
from migrations_app.cli.reference import command_parser
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, VerificationLevel, WithoutIdentity
from migrations_app.models import CutoverAttempt, Migration, OnlinePhase, Replication, ReplicationRequest
from tests.cli.conftest import Command
from tests.portal.sample_online import attempt, online

pytestmark = pytest.mark.django_db(transaction=True)


class Answering(threading.Thread):
    """A worker that ends each request as ``succeeded`` says."""

    def __init__(self, *, succeeded: bool, result: str = "") -> None:
        super().__init__(daemon=True)
        self.succeeded, self.result = succeeded, result
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            for row in ReplicationRequest.objects.filter(ended_at__isnull=True):
                if self.result:
                    attempt(row.database, result=self.result, request=row, message="")
                ReplicationRequest.objects.filter(pk=row.pk).update(
                    ended_at=timezone.now(), succeeded=self.succeeded, message="The apply is paused."
                )
        connection.close()


@pytest.fixture
def answers() -> Iterator[list[Answering]]:
    running: list[Answering] = []
    yield running
    for each in running:
        each.ended.set()
        each.join()


@pytest.fixture
def followed() -> Migration:
    return online(databases=("crm", "shop"))


def test_a_cutover_is_waited_for_and_told(
    followed: Migration, answers: list[Answering], migration_command: Command
) -> None:
    answers.append(Answering(succeeded=True, result="done"))
    said = migration_command("cutover", followed.name, "--verification", "full", "--wait")
    assert said.code == 0, said.err
    assert "asked to cut over: crm, shop." in said.err
    assert "shop: Cut over in 2.9 s, at 5/80000000." in said.out
    request = ReplicationRequest.objects.first()
    assert request is not None
    assert request.verification == VerificationLevel.FULL
    assert "@" in request.asked_from and request.asked_by is None


def test_a_rehearsal_that_was_refused_ends_with_1(
    followed: Migration, answers: list[Answering], migration_command: Command
) -> None:
    answers.append(Answering(succeeded=False))
    said = migration_command("rehearse", followed.name, "--database", "shop", "--wait")
    assert said.code == 1
    assert "shop: Rehearse the cutover: not done. The apply is paused." in said.out


def test_an_undone_cutover_says_why(followed: Migration, answers: list[Answering], migration_command: Command) -> None:
    answers.append(Answering(succeeded=False, result="undone"))
    said = migration_command("cutover", followed.name, "--database", "shop", "--wait")
    assert said.code == 1 and "shop: Undone." in said.out
    assert CutoverAttempt.objects.get().result == "undone"


@pytest.mark.parametrize("deed", ["pause", "rehearse", "cutover"])
def test_asking_returns_at_once(followed: Migration, migration_command: Command, deed: str) -> None:
    began = time.monotonic()
    assert migration_command(deed, followed.name, "--database", "crm").code == 0
    assert time.monotonic() - began < 10
    assert ReplicationRequest.objects.get().kind == deed


def test_what_cannot_be_asked_ends_with_2_and_words(followed: Migration, migration_command: Command) -> None:
    said = migration_command("go-back", followed.name)
    assert said.code == 2
    assert "There is no way back in shop-online now. crm is not cut over" in " ".join(said.err.split())
    assert migration_command("finish", followed.name).code == 2
    assert migration_command("continue", followed.name).code == 2
    said = migration_command("cutover", followed.name, "--database", "nowhere")
    assert said.code == 2 and "It has: crm, shop." in said.err


def test_a_way_back_is_taken(migration_command: Command, answers: list[Answering]) -> None:
    migration = online(phase=OnlinePhase.CUT_OVER, fall_back=True)
    assert migration_command("finish", migration.name).code == 0
    assert not ReplicationRequest.objects.get().reopen_source
    ReplicationRequest.objects.all().delete()
    assert migration_command("finish", migration.name, "--reopen-source").code == 0
    assert ReplicationRequest.objects.get().reopen_source
    ReplicationRequest.objects.all().delete()
    assert migration_command("go-back", migration.name, "--database", "shop").code == 0
    assert ReplicationRequest.objects.get().kind == "go_back"


def test_show_says_how_far_each_database_is(followed: Migration, migration_command: Command) -> None:
    Replication.objects.filter(database__source_name="crm").update(
        state="broken", error="It broke.", error_hint="Fix it."
    )
    said = " ".join(migration_command("show", followed.name).out.split())
    assert "Ready to cut over" in said and "0.4 s" in said and "1,204,332" in said and "48.0 MiB" in said
    assert "crm: It broke." in said and "crm: Fix it." in said
    assert "python manage.py migration cutover shop-online --wait" in said


def test_json_has_microsofts_counters(followed: Migration, migration_command: Command) -> None:
    Replication.objects.update(lag_seconds=3.6)
    shown = json.loads(migration_command("show", followed.name, "--output", "json").out)
    details = shown["properties"]["currentStatus"]["currentSubStateDetails"]
    assert details["currentSubState"] == "WaitingForCutoverTrigger"
    shop = details["dbDetails"]["shop"]
    assert (shop["cdcInsertCounter"], shop["cdcUpdateCounter"], shop["cdcDeleteCounter"]) == (1_204_332, 480_112, 9_120)
    assert (shop["appliedChanges"], shop["incomingChanges"], shop["latency"]) == (1_693_564, 1_693_564, 4)


def test_waiting_ends_where_a_person_has_to_decide(followed: Migration, migration_command: Command) -> None:
    said = migration_command("show", followed.name, "--wait")
    assert said.code == 0
    assert "Waiting for cutover" in said.out


def test_options_of_create() -> None:
    parser = command_parser()
    given = parser.parse_args(
        [
            *("create", "x", "--mode", "Online", "--apply", "through_portal", "--without-identity", "full"),
            *("--no-heartbeat", "--source-as-seen-by-target", "10.0.0.7", "--sequence-headroom", "5"),
            *("--cutover-timeout", "60", "--cutover-verification", "full", "--fall-back"),
            *("--retained-wal", "2GB", "--protect-source", "--lag-alarm", "60", "--room-alarm", "600"),
            *("--warn-after-days", "0", "--warn-cutover-days", "1"),
        ]
    )
    assert online_arguments.online_options(vars(given)) == OnlineOptions(
        apply=ApplyChoice.THROUGH_PORTAL,
        without_identity=WithoutIdentity.FULL,
        heartbeat=False,
        source_as_seen_by_target="10.0.0.7:5432",
        sequence_headroom=5,
        cutover_seconds=60,
        cutover_verification=VerificationLevel.FULL,
        fall_back=True,
        retained_wal_bytes=2 * 1024**3,
        protect_source=True,
        lag_alarm_seconds=60,
        room_alarm_seconds=600,
        give_up_wal_bytes=4 * 1024**3,
        warn_after_days=0,
        warn_cutover_days=1,
    )
    assert online_arguments.online_options(vars(parser.parse_args(["create", "x"]))) == OnlineOptions()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--apply", "magic"),
        ("--source-as-seen-by-target", "host:99999"),
        ("--source-as-seen-by-target", "host:5432@user"),
        ("--sequence-headroom", "-1"),
        ("--cutover-timeout", "0"),
        ("--retained-wal", "much"),
    ],
)
def test_bad_options_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(Exception) as refused:
        command_parser().parse_args(["create", "x", *arguments])
    assert arguments[0].removeprefix("--") in str(refused.value)
