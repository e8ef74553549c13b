"""Apply to the target what makes it like the source again, as a person asked, when what came before is applied."""

from __future__ import annotations

import time

from migrations_app.engine.errors import EngineError
from migrations_app.engine.events import Direction
from migrations_app.engine.postgres import Connection, Error
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.replication.difference import Difference, current_lsn
from migrations_app.engine.replication.new_tables import how_to_make
from migrations_app.engine.replication.watching import REST_AFTER_SECONDS, Watcher

WAIT_SECONDS, LOOK_SECONDS = 60.0, 0.3
SETTINGS = ("SET lock_timeout = '30s'", "SET check_function_bodies = off", "SET client_min_messages = warning")


class NotMended(EngineError):
    """The target was not changed."""


def mend(watcher: Watcher, subject: str, *, may_drop: bool) -> str:
    """Run what mends one difference where the changes arrive, and say what was done. Raises ``EngineError``.

    The apply rests meanwhile; it goes on at the next look, where nothing else is in its way. ``may_drop``: somebody
    confirmed what drops data.
    """
    difference = _chosen(watcher, subject, may_drop=may_drop)
    _wait_for_what_came_before(watcher)
    link = watcher.following.link
    try:
        watcher.following.engine.pause()
        statements = _statements(watcher, difference)
        with link.subscriber.connected(link.subscriber_database, purpose="mend", read_only=False) as connection:
            _run(watcher, connection, difference, statements)
    finally:
        watcher.compare_soon()
        if not watcher.is_drifting and not watcher.is_paused:
            watcher.following.engine.start()
    script = " ".join(statements)
    return f"Applied to {link.subscriber.endpoint.label}, in {link.subscriber_database}: {script}"


def _chosen(watcher: Watcher, subject: str, *, may_drop: bool) -> Difference:
    found = next((each for each in watcher.compare_definitions() if each.subject == subject), None)
    if found is None:
        raise NotMended(f"Both sides are alike in {subject} now.", hint="Look at the list again.")
    if not found.statements:
        raise NotMended(f"The portal cannot tell what to type for {subject}.", hint="Make it by hand on the target.")
    if found.destroys and not may_drop:
        raise NotMended(f"What mends {subject} now drops data; it changed since.", hint="Look at the list again.")
    return found


def _wait_for_what_came_before(watcher: Watcher) -> None:
    """Rows from before the change fit the definition from before; where the apply has stopped, it has stopped there."""
    if watcher.is_ripe:
        return
    lsn, seconds = current_lsn(watcher.publisher), REST_AFTER_SECONDS if watcher.is_drifting else WAIT_SECONDS
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = watcher.following.engine.status()
        if status.applied_lsn >= lsn or status.stopped_before_lsn:
            return
        watcher.following.job.control.check()
        time.sleep(LOOK_SECONDS)
    if watcher.is_drifting:
        return  # a subscription fails at the change, and has applied what came before
    raise NotMended(
        "What was written before the change is not applied yet.",
        hint="Let replication go on, and apply it again when the lag is smaller.",
    )


def _statements(watcher: Watcher, difference: Difference) -> tuple[str, ...]:
    """A new table may have changed since it was told."""
    if not difference.is_new:
        return difference.statements
    made = {f"table {each.label}": each.full_name for each in watcher.made()}
    if (name := made.get(difference.subject)) is None:
        raise NotMended(f"{difference.subject} is gone from the source.", hint="Look at the list again.")
    return how_to_make(watcher.following.job, watcher.publisher, watcher.subscriber, name)


def _run(watcher: Watcher, connection: Connection, difference: Difference, statements: tuple[str, ...]) -> None:
    """All or nothing, but for the values of an enum, which PostgreSQL 11 adds in no transaction."""
    for setting in SETTINGS:
        connection.execute(setting.encode())
    label = watcher.following.link.subscriber.endpoint
    try:
        if difference.subject.startswith("type "):
            for statement in statements:
                connection.execute(statement.encode())
            return
        with connection.transaction():
            if watcher.direction is Direction.FORWARD:
                watcher.following.job.markers.hold_on(connection)
            for statement in statements:
                connection.execute(statement.encode())
    except Error as error:
        raise explain_failure(
            str(error).strip(),
            endpoint=label,
            sqlstate=error.sqlstate or "",
            kind=NotMended,
            what=f"{difference.subject} was not changed on the target",
        ) from error
