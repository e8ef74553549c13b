"""The way back: after a cutover the new target's changes go to the old source, until one of them is left for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from migrations_app.engine.events import CutoverEnded
from migrations_app.engine.ports import PersonRequest
from migrations_app.engine.replication.apply import ApplyEngine
from migrations_app.engine.replication.crossing import crossing_back
from migrations_app.engine.replication.cutover import Attempt
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.reverse_link import reverse_of, reverse_plan


def followed_back(following: Following, engine_for: Callable[[Link], ApplyEngine]) -> Following:
    """Return what is followed after the cutover: the changes of the new target, to the old source.

    Publication and slot were made on the target before it opened. The engine is not started. To the old source, which
    stays closed, it comes as the portal's own user.
    """
    plan = reverse_plan(following.plan)
    link = replace(reverse_of(following.link, following.plan), tables=plan.tables)
    return Following(following.job, plan, link, engine_for(link))


def go_back(following: Following, request: PersonRequest) -> CutoverEnded:
    """Move a database's use back to the old source: the same cutover the other way round.

    ``following`` is the one of ``followed_back``. Raises like ``cut_over``.
    """
    return Attempt(crossing_back(following), request).run()
