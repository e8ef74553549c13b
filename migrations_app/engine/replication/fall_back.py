"""The way back: after a cutover the new target's changes go to the old source, until one of them is left for good."""

from __future__ import annotations

import time
from collections.abc import Callable

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.events import CutoverEnded, Direction
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication.apply import ApplyEngine, ApplyState
from migrations_app.engine.replication.crossing import crossing_back
from migrations_app.engine.replication.cutover import Attempt
from migrations_app.engine.replication.cutover_notes import CutoverNotes
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.old_source_guards import put_old_source_to_sleep
from migrations_app.engine.replication.reverse_link import reverse_of, reverse_plan
from migrations_app.engine.replication.server_to_server import ServerToServer

WORKS_WITHIN_SECONDS = 20.0
LOOK_SECONDS = 0.3


def followed_back(following: Following, engine_for: Callable[[Link], ApplyEngine]) -> Following:
    """Return what is followed after the cutover: the changes of the new target, to the old source. May be repeated.

    Publication and slot were made on the target before it opened. To the old source, which stays closed, the changes
    come as the portal's own user; what would act on them there is put to sleep, once the cutover is done. The engine is
    not started by this.
    """
    plan = reverse_plan(following.plan)
    engine = engine_for(link := reverse_of(following.link, following.plan))
    notes = CutoverNotes(following.job)
    if notes.read_opened(Direction.FORWARD) and not notes.read_opened(Direction.REVERSE):
        put_old_source_to_sleep(following.job, engine.kind)
    return Following(following.job, plan, link, engine)


def go_back(following: Following, request: PersonRequest) -> CutoverEnded:
    """Move a database's use back to the old source: the same cutover the other way round.

    ``following`` is the one of ``followed_back``. Raises like ``cut_over``.
    """
    return Attempt(crossing_back(following), request).run()


def why_not_begun(back: Following) -> str:
    """Start a subscription of the way back for the first time; return what keeps it from working, and drop it then.

    A trial does not show that a worker is free, nor that the address leads to the new target: there the slot is. An
    empty answer says that it works; the portal's apply is not asked. Raises when a server goes away.
    """
    engine = back.engine
    if not isinstance(engine, ServerToServer):
        return ""
    try:
        engine.start()
        if _works(engine, back.job):
            return ""
        why = engine.status().error or "no worker of it has connected"
        engine.remove()
    except (Stopped, ConnectionLost, ConnectionFailed):
        raise
    except EngineError as error:
        why = f"{error.message} {error.server_message}".strip()
    return f"a subscription of {back.link.subscriber.endpoint.label} did not begin to work: {why}"


def _works(engine: ServerToServer, job: DatabaseJob) -> bool:
    deadline = time.monotonic() + WORKS_WITHIN_SECONDS
    while engine.status().state is not ApplyState.APPLYING:
        if time.monotonic() > deadline:
            return engine.has_applied()
        job.control.check()
        time.sleep(LOOK_SECONDS)
    return True
