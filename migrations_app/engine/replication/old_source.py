"""Watch the old source after the cutover: who still comes there, from where, and whether anything was written.

A login that the server refuses leaves no trace but in the server's own log; what is seen here are the sessions of
those whom the fence cannot keep out: superusers, the portal's own user, and whoever somebody let in again.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.events import OldSourceVisited
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.fence import Session, other_sessions, run_tag


@dataclass(frozen=True)
class Written:
    """How many rows were written to a table since the server began to count."""

    schema: str
    name: str
    changes: int


@dataclass(frozen=True)
class OldSourceSeen:
    """One look: ``visitors`` have a session now; ``written`` had rows written since the look before."""

    visitors: tuple[Session, ...]
    written: tuple[Written, ...]


class OldSourceWatch:
    """Looks at the old source now and then, and tells each visitor once.

    ``is_subscriber``: the changes of the new target arrive there, so that written rows mean nothing.
    """

    def __init__(self, job: DatabaseJob, *, is_subscriber: bool = False) -> None:
        self._job = job
        self._is_subscriber = is_subscriber
        self._before: dict[tuple[str, str], int] | None = None
        self._told: set[tuple[str | None, str | None, str | None]] = set()
        self._pids: frozenset[int] = frozenset()

    def look(self) -> OldSourceSeen:
        """Look once. Raises ``EngineError`` where the server cannot be reached, which may be what is wanted."""
        job, database = self._job, self._job.database.source_name
        with job.source.connected(database, purpose="watch", read_only=True) as connection:
            visitors = tuple(other_sessions(connection, database, tag=run_tag(job.source)))
            counted = fetch(connection, "old_source_written", Written)
        written = self._newly_written(counted)
        for visitor in visitors:
            self._tell(visitor)
        self._report(visitors)
        if written:
            names = ", ".join(f"{each.schema}.{each.name}" for each in written[:5])
            job.note(
                f"Somebody wrote to {database} on {job.source.endpoint.label} after the cutover: {names}. "
                "These rows are not on the target.",
                level=Level.WARNING,
            )
        return OldSourceSeen(visitors, written)

    def _report(self, visitors: tuple[Session, ...]) -> None:
        together: dict[tuple[str, str, str], list[Session]] = {}
        for each in visitors:
            together.setdefault((each.user or "", each.address or "", each.application or ""), []).append(each)
        for (role, address, application), sessions in together.items():
            self._job.reporter.report(
                OldSourceVisited(
                    self._job.database.id,
                    role,
                    address,
                    application,
                    new_sessions=sum(each.pid not in self._pids for each in sessions),
                    is_superuser=any(each.is_superuser for each in sessions),
                    is_writing=any(each.is_writing for each in sessions),
                )
            )
        self._pids = frozenset(each.pid for each in visitors)

    def _newly_written(self, counted: list[Written]) -> tuple[Written, ...]:
        now = {(each.schema, each.name): each.changes for each in counted}
        before, self._before = self._before, now
        if before is None or self._is_subscriber:
            return ()
        return tuple(
            Written(schema, name, changes - before.get((schema, name), 0))
            for (schema, name), changes in now.items()
            if changes > before.get((schema, name), 0)
        )

    def _tell(self, visitor: Session) -> None:
        who = (visitor.user, visitor.address, visitor.application)
        if who in self._told:
            return
        self._told.add(who)
        job = self._job
        job.note(
            f"The old source is still used: {visitor} in {job.database.source_name} on {job.source.endpoint.label}. "
            "Point it to the target; the fence does not keep out superusers and the portal's own user.",
            level=Level.WARNING,
        )
