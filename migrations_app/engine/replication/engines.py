"""Make the apply engine that was chosen, for either direction."""

from __future__ import annotations

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.replication.apply import ApplyEngine, ApplyKind
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.server_to_server import ServerToServer
from migrations_app.engine.replication.through_portal import ThroughPortal


def make_engine(job: DatabaseJob, link: Link, kind: ApplyKind, *, made_before: bool) -> ApplyEngine:
    """Return an engine that is not started; ``made_before``: it was started once, by this run or an earlier one."""
    if kind is ApplyKind.SERVER_TO_SERVER:
        return ServerToServer(link, control=job.control, made_before=made_before)
    return ThroughPortal(link, control=job.control, reporter=job.reporter, database_id=job.database.id)
