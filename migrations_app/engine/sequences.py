"""Set every sequence on the target to where the source's stands."""

from __future__ import annotations

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, qualified, queries, sql

BATCH = 200


def copy_sequences(job: DatabaseJob) -> None:
    """Set every sequence that the target has to the source's last_value and is_called; safe to repeat."""
    with (
        job.source.connected(job.database.source_name, purpose="sequences") as source,
        job.target.connected(job.database.target_name, purpose="sequences") as target,
    ):
        on_target = set(_names(target))
        names = [name for name in _names(source) if name in on_target]
        for start in range(0, len(names), BATCH):
            job.control.check()
            _copy_batch(job, source, target, names[start : start + BATCH])


def _names(connection: Connection) -> list[tuple[str, str]]:
    query = queries.get("sequences", server_version=connection.info.server_version)
    return [(row[0], row[1]) for row in connection.execute(query, {})]


def _copy_batch(job: DatabaseJob, source: Connection, target: Connection, names: list[tuple[str, str]]) -> None:
    selects = [
        sql.SQL("SELECT {}, {}, last_value, is_called FROM {}").format(
            sql.Literal(schema), sql.Literal(name), qualified(schema, name)
        )
        for schema, name in names
    ]
    values = source.execute(sql.SQL(" UNION ALL ").join(selects)).fetchall()
    try:
        with target.transaction():
            job.markers.hold_on(target)
            for schema, name, last_value, is_called in values:
                _set(target, schema, name, last_value=last_value, is_called=is_called)
    except Error:
        if target.closed or job.control.stopping:
            raise
        for schema, name, last_value, is_called in values:
            _set_or_report(job, target, schema, name, last_value=last_value, is_called=is_called)


def _set(target: Connection, schema: str, name: str, *, last_value: int, is_called: bool) -> None:
    target.execute(
        "SELECT setval(%s::regclass, %s, %s)", (qualified(schema, name).as_string(None), last_value, is_called)
    )


def _set_or_report(
    job: DatabaseJob, target: Connection, schema: str, name: str, *, last_value: int, is_called: bool
) -> None:
    try:
        _set(target, schema, name, last_value=last_value, is_called=is_called)
    except Error as error:
        if target.closed or job.control.stopping:
            raise
        job.object_failed(
            f"SEQUENCE {schema}.{name}",
            statement=sql.SQL("SELECT setval({}, {}, {});")
            .format(
                sql.Literal(qualified(schema, name).as_string(None)), sql.Literal(last_value), sql.Literal(is_called)
            )
            .as_string(None),
            server_message=str(error).strip(),
            phase="constraints",
            why="New rows on the target would repeat keys that exist already.",
        )
