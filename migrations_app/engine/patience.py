"""Wait for a server that goes away for a moment, instead of giving up hours of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError
from migrations_app.engine.events import Note
from migrations_app.engine.findings import Level
from migrations_app.engine.ports import Reporter

Result = TypeVar("Result")
PAUSES_SECONDS = (1, 2, 4, 8, 15, 30, 60)
WENT_WELL_SECONDS = 120
PASSING_KINDS = {"refused", "starting", "timeout", "lost", "no_slots", "unreachable"}


def passes(error: EngineError) -> bool:
    """Tell whether an error is of a server that may be back in a moment."""
    return isinstance(error, ConnectionLost) or (isinstance(error, ConnectionFailed) and error.kind in PASSING_KINDS)


def patiently(work: Callable[[], Result], *, control: Control, reporter: Reporter, database_id: str = "") -> Result:
    """Do ``work``, again after a pause when a connection is lost: about two minutes in all since it last went well.

    ``work`` must go on where it was when it is called again. Raises what ``work`` raised last.
    """
    pauses = iter(PAUSES_SECONDS)
    while True:
        began_at = time.monotonic()
        try:
            return work()
        except (ConnectionLost, ConnectionFailed) as error:
            control.check()
            if time.monotonic() - began_at > WENT_WELL_SECONDS:
                pauses = iter(PAUSES_SECONDS)
            pause = next(pauses, None)
            if pause is None or not passes(error):
                raise
            message = f"{error.message} Trying again in {pause} s. The server said: {error.server_message}"
            reporter.report(Note(message, database_id=database_id, level=Level.WARNING))
        _sleep(control, pause)


def _sleep(control: Control, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        control.check()
        time.sleep(0.2)
