"""The way back: after a cutover the new target's changes go to the old source, until one of them is left for good."""

from __future__ import annotations

from collections.abc import Callable

from migrations_app.engine.events import CutoverEnded, Direction
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.crossing import crossing_back
from migrations_app.engine.replication.cutover import Attempt
from migrations_app.engine.replication.cutover_notes import CutoverNotes
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.old_source_guards import put_old_source_to_sleep
from migrations_app.engine.replication.reverse_link import reverse_of, reverse_plan


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
