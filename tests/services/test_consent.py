"""Warnings are accepted by people, with a reason; a migration that waits for it is a row, not a sleeping task."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConsentToWarningsMissing
from migrations_app.engine.events import FindingRaised, Step, StepFinished, StepStarted, ValidationEnded
from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import MigrationSpec
from migrations_app.models import Migration, MigrationEvent, MigrationFinding, Run, State, Substate
from migrations_app.services.conductor import conduct
from migrations_app.services.consent import Person, finding_accept, finding_reopen, migration_go_on
from migrations_app.services.lease import Lease
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.reconcile import reconcile
from migrations_app.services.runs import ActionRefused, migration_cancel
from tests.services.test_conductor import Engine

pytestmark = pytest.mark.django_db(transaction=True)


def warning(number: int, *, level: Level = Level.WARNING, saw: str = "It is so.") -> Finding:
    return Finding(f"PM000{number}", level, f"Table {number}", saw, phase="validation")


class Validating(Engine):
    """Validates before it works, and finds what it was given; asks for consent as the real engine does."""

    def __init__(self, *found: Finding) -> None:
        super().__init__()
        self.found = found
        self.validations = 0
        self.moved = 0

    def __call__(self, spec: MigrationSpec, **ports: object) -> object:  # type: ignore[override]
        reporter = ports["reporter"]
        assert hasattr(reporter, "report")
        if not spec.validated:
            self.validations += 1
            reporter.report(StepStarted(Step.VALIDATE))
            for finding in self.found:
                reporter.report(FindingRaised(finding))
            reporter.report(ValidationEnded(frozenset()))
            reporter.report(StepFinished(Step.VALIDATE))
            if self.found and spec.options.at_warnings == "wait":
                raise ConsentToWarningsMissing("Validation found warnings.")
        self.moved += 1
        return super().__call__(spec, **ports)  # type: ignore[arg-type]


@pytest.fixture
def waiting(queued: Migration) -> Migration:
    """A migration that waits until two warnings are accepted."""
    Migration.objects.filter(pk=queued.pk).update(at_warnings="wait")
    assert conduct(queued.pk, engine=Validating(warning(1), warning(2))) == State.WAITING_FOR_USER
    queued.refresh_from_db()
    return queued


def findings(migration: Migration) -> list[MigrationFinding]:
    return list(MigrationFinding.objects.filter(migration=migration).order_by("code"))


def test_it_goes_on_at_warnings_unless_told_to_wait(queued: Migration) -> None:
    engine = Validating(warning(1))
    assert conduct(queued.pk, engine=engine) == State.SUCCEEDED
    assert engine.moved == 1


def test_waiting_is_a_stored_state_with_nobody_at_work(waiting: Migration) -> None:
    assert (waiting.state, waiting.substate) == (State.WAITING_FOR_USER, Substate.WAITING_FOR_ACCEPTANCE)
    run = Run.objects.get()
    assert (run.lease_until, run.attempts) == (None, 0)
    assert reconcile() == 0
    assert MigrationEvent.objects.filter(message="Waits until 2 warnings are accepted.").exists()
    assert conduct(waiting.pk, engine=Validating()).startswith("nothing to do")


def test_the_last_acceptance_lets_it_go_on_without_validating_again(waiting: Migration, dana: User) -> None:
    first, second = findings(waiting)
    finding_accept(waiting.pk, [first.pk], reason="Known.", by=Person(user=dana, address="10.1.2.3"))
    waiting.refresh_from_db()
    assert waiting.state == State.WAITING_FOR_USER
    finding_accept(waiting.pk, [second.pk], reason="Known too.", by=Person(user=dana))
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    engine = Validating(warning(1), warning(2))
    assert conduct(waiting.pk, engine=engine) == State.SUCCEEDED
    assert (engine.validations, engine.moved) == (0, 1)
    first.refresh_from_db()
    assert (first.accepted_by, first.accepted_reason) == (dana, "Known.")
    event = MigrationEvent.objects.get(message__startswith="Accepted: PM0001 Table 1.")
    assert (event.actor, event.address, event.message) == (
        dana, "10.1.2.3", "Accepted: PM0001 Table 1. Reason: Known.",
    )  # fmt: skip


def test_going_on_anyway_accepts_the_rest_with_one_reason(waiting: Migration, dana: User) -> None:
    migration_go_on(waiting.pk, reason="The window ends at six.", by=Person(user=dana))
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    assert {row.accepted_reason for row in findings(waiting)} == {"The window ends at six."}
    with pytest.raises(ActionRefused):
        migration_go_on(waiting.pk, reason="Again.", by=Person(user=dana))


def test_what_is_accepted_while_the_validation_runs_needs_no_second_look(queued: Migration, dana: User) -> None:
    class AcceptedMeanwhile(Validating):
        def __call__(self, spec: MigrationSpec, **ports: object) -> object:  # type: ignore[override]
            try:
                return super().__call__(spec, **ports)
            finally:
                recorder = ports["reporter"]
                assert isinstance(recorder, ProgressRecorder)
                recorder.settle()
                open_rows = [row.pk for row in findings(queued) if row.accepted_at is None]
                finding_accept(queued.pk, open_rows, reason="Seen.", by=Person(user=dana))

    Migration.objects.filter(pk=queued.pk).update(at_warnings="wait")
    engine = AcceptedMeanwhile(warning(1))
    assert conduct(queued.pk, engine=engine) == State.SUCCEEDED
    assert (engine.validations, engine.moved) == (1, 1)


def test_a_worker_that_died_before_it_waited_does_not_go_on_by_itself(queued: Migration) -> None:
    steps = {"validate": {"state": "done", "started_at": None, "ended_at": None}}
    Migration.objects.filter(pk=queued.pk).update(at_warnings="wait", step_times=steps)
    MigrationFinding.objects.create(
        migration=queued, code="PM1", level="Warning", subject="a", saw="b", phase="validation"
    )
    engine = Validating()
    assert conduct(queued.pk, engine=engine) == State.WAITING_FOR_USER
    assert engine.moved == 0


def test_a_waiting_migration_can_be_canceled(waiting: Migration) -> None:
    migration_cancel(waiting.pk)
    assert conduct(waiting.pk, engine=Validating()) == State.CANCELED


def test_a_reason_is_required_and_only_warnings_are_accepted(waiting: Migration, dana: User) -> None:
    first, second = findings(waiting)
    with pytest.raises(ActionRefused, match="reason"):
        finding_accept(waiting.pk, [first.pk], reason="  ", by=Person(user=dana))
    MigrationFinding.objects.filter(pk=second.pk).update(level="Failed")
    with pytest.raises(ActionRefused, match="is no warning"):
        finding_accept(waiting.pk, [second.pk], reason="Why not.", by=Person(user=dana))
    with pytest.raises(ActionRefused, match="gone"):
        finding_accept(waiting.pk, [0], reason="Why not.", by=Person(user=dana))


def test_an_acceptance_can_be_taken_back(waiting: Migration, dana: User) -> None:
    first, _ = findings(waiting)
    finding_accept(waiting.pk, [first.pk], reason="Known.", by=Person(name="dana@console"))
    finding_reopen(waiting.pk, first.pk, by=Person(user=dana))
    first.refresh_from_db()
    assert (first.accepted_at, first.accepted_from, first.accepted_reason) == (None, "", "")
    with pytest.raises(ActionRefused):
        finding_reopen(waiting.pk, first.pk, by=Person(user=dana))


def validate_again(lease: Lease, *found: Finding, codes: frozenset[str] = frozenset()) -> None:
    with ProgressRecorder(lease.migration_id, control=Control(fence=lease.fence)) as recorder:
        recorder.report(StepStarted(Step.VALIDATE))
        for finding in found:
            recorder.report(FindingRaised(finding))
        recorder.report(ValidationEnded(codes))


def test_an_acceptance_is_kept_when_the_same_is_found_again(lease: Lease, dana: User) -> None:
    validate_again(lease, warning(1), warning(2))
    migration = Migration.objects.get(pk=lease.migration_id)
    first, second = findings(migration)
    finding_accept(migration.pk, [first.pk, second.pk], reason="Known.", by=Person(user=dana))
    validate_again(lease, warning(1, saw="It is so, still."), warning(2, level=Level.FAILED))
    first, second = findings(migration)
    assert (first.saw, first.accepted_reason) == ("It is so, still.", "Known.")
    assert (second.level, second.accepted_at) == ("Failed", None)  # a failure is not what was accepted


def test_what_is_not_found_again_is_mended_and_told_so(lease: Lease) -> None:
    validate_again(lease, *(Finding("PM2042", Level.INFO, f"Table {n}", "x", phase="validation") for n in range(25)))
    validate_again(lease, codes=frozenset({"PM2042"}))
    migration = Migration.objects.get(pk=lease.migration_id)
    assert findings(migration) == []
    told = list(MigrationEvent.objects.filter(message__startswith="Mended").values_list("message", flat=True))
    assert len(told) == 21
    assert "Mended: 5 more findings." in told


def test_what_could_not_be_checked_is_never_called_mended(lease: Lease) -> None:
    validate_again(lease, Finding("PM2042", Level.INFO, "Table a", "x", phase="validation"))
    unknown = Finding("PM2042", Level.UNKNOWN, "shop", "It took too long.", phase="validation")
    validate_again(lease, unknown, codes=frozenset({"PM2042"}))
    assert not MigrationEvent.objects.filter(message__startswith="Mended").exists()
