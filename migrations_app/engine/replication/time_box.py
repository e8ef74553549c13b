"""A limit of time for a part of the work, after which everything in it is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from migrations_app.engine.control import Control
from migrations_app.engine.errors import Stopped


class TimeIsUp(Stopped):
    """A part of the work took longer than it was allowed to."""


@contextmanager
def time_box(control: Control, *, seconds: float) -> Iterator[Control]:
    """Yield reins that end the work inside after ``seconds`` with ``TimeIsUp``, or when ``control`` does."""
    with control.child() as part:
        reason = TimeIsUp(f"It was not done within {seconds:g} s.", hint="Allow more time, or find what was slow.")
        timer = threading.Timer(seconds, part.stop, args=(reason,))
        timer.daemon = True
        timer.start()
        try:
            yield part
        finally:
            timer.cancel()
