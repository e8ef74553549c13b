"""Live progress from the servers' own views: rows and bytes of running copies, progress of index builds."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost
from migrations_app.engine.events import IndexProgress, PartProgress
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart
from migrations_app.engine.postgres import Connection, Server, queries

INTERVAL_SECONDS = 1.0
COPY_VIEW_VERSION = 140000  # pg_stat_progress_copy
INDEX_VIEW_VERSION = 120000  # pg_stat_progress_create_index


class ProgressMonitor:
    """Asks once a second. ``copies`` maps a lane's purpose to its part, ``indexes`` a session's purpose to
    (schema, table, index).
    """

    def __init__(
        self,
        job: DatabaseJob,
        *,
        copies: Mapping[str, ClaimedPart],
        indexes: Mapping[str, tuple[str, str, str]],
    ) -> None:
        self._job = job
        self._copies = copies
        self._indexes = indexes
        self._finished = threading.Event()

    def finish(self) -> None:
        """Let ``watch`` end."""
        self._finished.set()

    def watch(self) -> None:
        """Report until finished, or until the work must end; a lost connection ends it too: the workers tell why."""
        job = self._job
        on_target = job.target_version >= COPY_VIEW_VERSION
        server, database = (
            (job.target, job.database.target_name) if on_target else (job.source, job.database.source_name)
        )
        sees_copies = on_target or job.source_version >= COPY_VIEW_VERSION
        try:
            with (
                server.connected(database, purpose="monitor", read_only=True) as copies,
                job.target.connected(job.database.target_name, purpose="monitor", read_only=True) as indexes,
            ):
                while not self._finished.wait(INTERVAL_SECONDS):
                    job.control.check()
                    if sees_copies and self._copies:
                        self._report_copies(copies, server)
                    if job.target_version >= INDEX_VIEW_VERSION and self._indexes:
                        self._report_indexes(indexes)
        except (ConnectionFailed, ConnectionLost):
            job.note("Live progress is not shown for a moment: its connection was lost.")

    def _report_copies(self, connection: Connection, server: Server) -> None:
        running = dict(self._copies)
        query = queries.get("copy_progress", server_version=connection.info.server_version)
        prefix = server.application_name("")
        for name, rows, size in connection.execute(query, {"prefix": prefix}):
            part = running.get(name.removeprefix(prefix))
            if part is not None:
                self._job.reporter.report(PartProgress(part.id, rows=rows, bytes=size))

    def _report_indexes(self, connection: Connection) -> None:
        running = dict(self._indexes)
        query = queries.get("index_progress", server_version=connection.info.server_version)
        prefix = self._job.target.application_name("")
        for name, phase, done, total in connection.execute(query, {"prefix": prefix}):
            found = running.get(name.removeprefix(prefix))
            if found is not None:
                schema, table, index = found
                fraction = min(1.0, done / total) if total else 0.0
                self._job.reporter.report(
                    IndexProgress(self._job.database.id, schema, table, index, fraction=fraction, phase=phase)
                )
