"""The only writer of a migration's state."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Now

from migrations_app.engine.errors import LeaseLost
from migrations_app.models import TERMINAL_STATES, EventKind, Migration, MigrationEvent, State, Substate
from migrations_app.services.lease import demand_fence

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TRANSITIONS: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.QUEUED}),
    State.QUEUED: frozenset({State.IN_PROGRESS, State.CANCELED, State.DRAFT, State.FAILED}),
    State.IN_PROGRESS: frozenset(
        {
            State.WAITING_FOR_USER,
            State.PAUSED,
            State.SUCCEEDED,
            State.FAILED,
            State.CANCELED,
            State.VALIDATION_FAILED,
            State.CLEANING_UP,
        }
    ),
    State.WAITING_FOR_USER: frozenset(
        {
            State.QUEUED,
            State.IN_PROGRESS,
            State.WAITING_FOR_USER,  # for something else: the cutover first, then whether to go back
            State.SUCCEEDED,
            State.CANCELED,
            State.FAILED,
            State.VALIDATION_FAILED,
            State.CLEANING_UP,
        }
    ),
    State.PAUSED: frozenset({State.QUEUED, State.IN_PROGRESS, State.CANCELED, State.FAILED}),
    State.CLEANING_UP: frozenset({State.CANCELED, State.FAILED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.VALIDATION_FAILED: frozenset({State.QUEUED}),
    State.CANCELED: frozenset(),
    State.SUCCEEDED: frozenset(),
}


class StaleTransition(Exception):
    """The migration was not in the expected state: somebody else changed it first."""


def transition(
    migration_id: UUID,
    *,
    expect: Collection[State],
    to: State,
    message: str,
    substate: Substate = Substate.NONE,
    fence: int | None = None,
    actor: User | None = None,
    address: str | None = None,
    error: str = "",
    error_hint: str = "",
    error_server_message: str = "",
) -> None:
    """Change the state of a migration and write the event, in one transaction.

    With ``fence`` the change also demands that this run still owns the migration.
    Raises ``StaleTransition`` when the state is not in ``expect`` or the fence is old.
    """
    sources = [state for state in expect if to in TRANSITIONS[State(state)]]
    with transaction.atomic():
        if fence is not None:
            _demand_fence(migration_id, fence=fence)
        rows = Migration.objects.select_for_update().filter(pk=migration_id, state__in=sources)
        before = rows.values_list("state", flat=True).first()
        if before is None:
            wanted = ", ".join(sources) or "a state that leads to it"
            raise StaleTransition(f"migration {migration_id} cannot become {to}: it is not {wanted}")
        Migration.objects.filter(pk=migration_id).update(
            state=to,
            substate=Substate.COMPLETED if to in TERMINAL_STATES else substate,
            revision=F("revision") + 1,
            error=error,
            error_hint=error_hint,
            error_server_message=error_server_message,
            started_at=Coalesce(F("started_at"), Now()) if to == State.IN_PROGRESS else F("started_at"),
            ended_at=Now() if to in TERMINAL_STATES else Value(None),
        )
        MigrationEvent.objects.create(
            migration_id=migration_id,
            kind=EventKind.ERROR if to in (State.FAILED, State.VALIDATION_FAILED) else EventKind.STATE,
            level="Failed" if to in (State.FAILED, State.VALIDATION_FAILED) else "Info",
            message=message,
            from_state=before,
            to_state=to,
            actor=actor,
            address=address,
        )


def _demand_fence(migration_id: UUID, *, fence: int) -> None:
    """Lock the run before the migration, in the order of a claim, so that the two cannot cross."""
    try:
        demand_fence(migration_id, fence=fence)
    except LeaseLost as error:
        raise StaleTransition(f"run {fence} of migration {migration_id} is over") from error
