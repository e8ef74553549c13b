"""A lane for tables that psql cannot name on one line: slower, since the rows pass through Python, and as exact."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.errors import CopyFailed
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart
from migrations_app.engine.postgres import Connection, Error
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.snapshot import Snapshot
from migrations_app.engine.table_copy.statements import (
    copy_options,
    part_key,
    relation,
    rows_into,
    rows_of,
)


@dataclass(frozen=True)
class SlowLane:
    """Copies one part over two connections of its own, opened for it."""

    job: DatabaseJob
    snapshot: Snapshot

    def copy(self, claimed: ClaimedPart) -> int:
        """Copy one part and commit it with its note; return the number of rows."""
        with (
            self.snapshot.reader("slow-copy") as source,
            self.job.target.connected(self.job.database.target_name, purpose="slow-copy") as target,
        ):
            try:
                with target.transaction():
                    self.job.markers.hold_on(target)
                    return self._copy(source, target, claimed)
            except Error as error:
                raise explain_failure(
                    str(error),
                    endpoint=self.job.target.endpoint,
                    sqlstate=error.sqlstate or "",
                    kind=CopyFailed,
                    what=claimed.table.label,
                ) from error

    def _copy(self, source: Connection, target: Connection, claimed: ClaimedPart) -> int:
        table, part = claimed.table, claimed.part
        options = copy_options(table, part)
        if table.is_configuration:
            only_theirs = f" WHERE {table.condition}" if table.condition else ""
            target.execute(f"DELETE FROM ONLY {relation(table)}{only_theirs}".encode(self.job.codec))  # noqa: S608
        elif options.freeze:
            target.execute(f"TRUNCATE ONLY {relation(table)}".encode(self.job.codec))
        read = f"COPY {rows_of(table, part)} TO STDOUT WITH ({options.read})".encode(self.job.codec)
        write = f"COPY {rows_into(table)} FROM STDIN WITH ({options.write})".encode(self.job.codec)
        reading, writing = source.cursor(), target.cursor()
        with reading.copy(read) as rows_out, writing.copy(write) as rows_in:
            for block in rows_out:
                rows_in.write(block)
        if reading.rowcount != writing.rowcount:
            raise CopyFailed(
                f"{table.label}: {reading.rowcount} rows were read and {writing.rowcount} were written.",
                hint="Nothing of this part was committed. Resume to copy it again.",
            )
        self.job.markers.add(target, kind="part", keys=[part_key(table, part)], detail=str(writing.rowcount))
        return writing.rowcount
