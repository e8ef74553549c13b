"""What a person may usefully do with a migration in its present state: one next action, and the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from migrations_app.models import Migration, State, Substate

CANCELABLE = (State.QUEUED, State.IN_PROGRESS, State.WAITING_FOR_USER, State.PAUSED)
RESUMABLE = (State.FAILED, State.VALIDATION_FAILED)


class Action(StrEnum):
    """A deed of a person, or a way to the report."""

    CONTINUE_SETUP = "continue_setup"
    DISCARD = "discard"
    CANCEL = "cancel"
    RESUME = "resume"
    REPORT = "report"
    ACCEPT = "accept"
    CUT_OVER = "cut_over"
    DECIDE = "decide"


OPERATORS_ONLY = frozenset(Action) - {Action.REPORT}
# What a migration that waits for a person asks of them.
ASKED = {
    Substate.WAITING_FOR_ACCEPTANCE: Action.ACCEPT,
    Substate.WAITING_FOR_CUTOVER: Action.CUT_OVER,
    Substate.WAITING_FOR_FALL_BACK: Action.DECIDE,
}


@dataclass(frozen=True)
class Actions:
    """The button, and what the menu beside it offers."""

    primary: Action | None
    menu: tuple[Action, ...]


def actions_for(migration: Migration, *, may_operate: bool) -> Actions:
    """Return the actions that make sense; somebody who only looks gets the report."""
    primary, menu = _sensible(migration)
    allowed = [action for action in menu if may_operate or action not in OPERATORS_ONLY]
    if primary is not None and primary in OPERATORS_ONLY and not may_operate:
        primary = None
    return Actions(primary=primary, menu=tuple(allowed))


def may_cancel(migration: Migration) -> bool:
    """Tell whether there is something to cancel that nobody has canceled yet."""
    return migration.state in CANCELABLE and migration.cancel_requested_at is None


def _sensible(migration: Migration) -> tuple[Action | None, tuple[Action, ...]]:
    if migration.state == State.DRAFT:
        return Action.CONTINUE_SETUP, (Action.DISCARD,)
    if migration.state in RESUMABLE:
        return Action.RESUME, (Action.REPORT,)
    if migration.is_terminal:
        return Action.REPORT, ()
    asked = ASKED.get(Substate(migration.substate)) if migration.state == State.WAITING_FOR_USER else None
    is_offered = may_cancel(migration) and asked is not Action.DECIDE
    return asked, (Action.REPORT, Action.CANCEL) if is_offered else (Action.REPORT,)
