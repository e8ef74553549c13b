"""The only writer of a migration's state."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import User

from migrations_app.lifecycle import TRANSITIONS, StaleTransition, transition
from migrations_app.models import TERMINAL_STATES, Migration, MigrationEvent, Run, State, Substate


@pytest.mark.django_db
def test_a_change_is_one_row_and_one_event(draft: Migration, dana: User) -> None:
    transition(draft.pk, expect=[State.DRAFT], to=State.QUEUED, message="Queued.", actor=dana, address="192.0.2.1")
    event = MigrationEvent.objects.get()
    assert (event.from_state, event.to_state, event.actor, event.address) == ("Draft", "Queued", dana, "192.0.2.1")
    before = draft.revision
    draft.refresh_from_db()
    assert (draft.state, draft.revision) == (State.QUEUED, before + 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new"), [pair for pair in itertools.product(State, State) if pair[1] not in TRANSITIONS[pair[0]]]
)
def test_other_changes_are_refused(draft: Migration, old: State, new: State) -> None:
    Migration.objects.filter(pk=draft.pk).update(state=old)
    with pytest.raises(StaleTransition):
        transition(draft.pk, expect=list(State), to=new, message="No.")
    assert Migration.objects.get(pk=draft.pk).state == old
    assert not MigrationEvent.objects.exists()


@pytest.mark.django_db
def test_a_state_that_was_not_expected_is_an_error(draft: Migration) -> None:
    with pytest.raises(StaleTransition):
        transition(draft.pk, expect=[State.FAILED], to=State.QUEUED, message="No.")


@pytest.mark.django_db
def test_an_old_run_changes_nothing(queued: Migration) -> None:
    Run.objects.filter(migration=queued).update(fence=3)
    with pytest.raises(StaleTransition, match="run 2"):
        transition(queued.pk, expect=[State.QUEUED], to=State.IN_PROGRESS, message="No.", fence=2)
    transition(queued.pk, expect=[State.QUEUED], to=State.IN_PROGRESS, message="Yes.", fence=3)


@pytest.mark.django_db
def test_times_and_errors_follow_the_state(queued: Migration) -> None:
    transition(queued.pk, expect=[State.QUEUED], to=State.IN_PROGRESS, message="Began.")
    transition(queued.pk, expect=[State.IN_PROGRESS], to=State.FAILED, message="Failed.", error="why", error_hint="do")
    failed = Migration.objects.get(pk=queued.pk)
    assert failed.started_at and failed.ended_at
    assert (failed.error, failed.error_hint, failed.substate) == ("why", "do", Substate.COMPLETED)
    transition(queued.pk, expect=[State.FAILED], to=State.QUEUED, message="Resumed.")
    again = Migration.objects.get(pk=queued.pk)
    assert (again.started_at, again.ended_at, again.error) == (failed.started_at, None, "")


def test_every_state_has_its_ways_out() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.SUCCEEDED] == frozenset()
    assert all(TRANSITIONS[state] for state in State if state not in TERMINAL_STATES)
