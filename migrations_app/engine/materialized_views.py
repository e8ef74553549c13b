"""Fill the materialized views that are filled on the source, each after those it reads."""

from __future__ import annotations

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, qualified, queries, sql
from migrations_app.engine.target.statistics import analyze

ViewName = tuple[str, str]


def refresh_materialized_views(job: DatabaseJob) -> None:
    """Refresh in rounds: a view that reads an unfilled one fails at once and is tried again in the next round."""
    with (
        job.source.connected(job.database.source_name, purpose="views") as source,
        job.target.connected(job.database.target_name, purpose="views") as target,
    ):
        query = queries.get("filled_materialized_views", server_version=job.source_version)
        todo = [(row[0], row[1]) for row in source.execute(query, {}) if job.takes(row[0], row[1])]
        filled = {(row[0], row[1]) for row in target.execute(query, {})}
        todo = [name for name in todo if name not in filled]
        while todo:
            refused = _refresh_round(job, target, todo)
            if len(refused) == len(todo):
                _report(job, refused)
                return
            todo = [name for name, _ in refused]


def _refresh_round(job: DatabaseJob, target: Connection, names: list[ViewName]) -> list[tuple[ViewName, str]]:
    refused = []
    for name in names:
        job.control.check()
        try:
            with target.transaction():
                job.markers.hold_on(target)
                target.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(qualified(*name)))
        except Error as error:
            if target.closed or job.control.stopping:
                raise
            refused.append((name, str(error).strip()))
            continue
        analyze(job, target, name)
    return refused


def _report(job: DatabaseJob, refused: list[tuple[ViewName, str]]) -> None:
    for name, server_message in refused:
        job.object_failed(
            f"MATERIALIZED VIEW DATA {name[0]}.{name[1]}",
            statement=sql.SQL("REFRESH MATERIALIZED VIEW {};").format(qualified(*name)).as_string(None),
            server_message=server_message,
            phase="constraints",
            why="The view exists on the target but holds no rows; reading it fails until it is refreshed.",
        )
