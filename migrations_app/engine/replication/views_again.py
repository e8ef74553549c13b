"""Fill the materialized views anew: once before the fence closes, and those that are quick once more behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Error, qualified, queries, sql

QUICK_SECONDS = 5.0

ViewName = tuple[str, str]


@dataclass(frozen=True)
class RefreshedView:
    """One materialized view and how long it took; None where the server refused."""

    name: ViewName
    seconds: float | None


def refresh_before(job: DatabaseJob) -> list[RefreshedView]:
    """Refresh every materialized view that is filled on both servers, in the order in which they were made.

    A refusal is told and is no error: it would be one on the other server as well.
    """
    query = queries.get("filled_materialized_views", server_version=job.source_version or 100000)
    with (
        job.source.connected(job.database.source_name, purpose="views") as source,
        job.target.connected(job.database.target_name, purpose="views", read_only=True) as target,
    ):
        filled = {(row[0], row[1]) for row in target.execute(query, {})}
        names = [(row[0], row[1]) for row in source.execute(query, {}) if job.takes(row[0], row[1])]
    return _refresh(job, [name for name in names if name in filled])


def refresh_behind_fence(job: DatabaseJob, before: Sequence[RefreshedView]) -> str:
    """Refresh those views again that took little time before; say which ones show the moment before the fence."""
    quick = [view.name for view in before if view.seconds is not None and view.seconds <= QUICK_SECONDS]
    slow = [".".join(view.name) for view in before if view.seconds is not None and view.seconds > QUICK_SECONDS]
    _refresh(job, quick)
    words = f"{len(quick):,} refreshed" if before else "none"
    return f"{words}; just before the fence: {', '.join(slow)}" if slow else words


def _refresh(job: DatabaseJob, names: Sequence[ViewName]) -> list[RefreshedView]:
    refreshed = []
    with job.target.connected(job.database.target_name, purpose="views", read_only=False) as target:
        for name in names:
            job.control.check()
            began_at = time.monotonic()
            try:
                with target.transaction():
                    job.markers.hold_on(target)
                    target.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(qualified(*name)))
            except Error as error:
                if target.closed or job.control.stopping:
                    raise
                job.note(
                    f"The materialized view {'.'.join(name)} could not be refreshed: {str(error).strip()}",
                    level=Level.WARNING,
                )
                refreshed.append(RefreshedView(name, None))
                continue
            refreshed.append(RefreshedView(name, time.monotonic() - began_at))
    return refreshed
