"""The copy of one database in one snapshot, with the index builds that follow it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path

from migrations_app.engine.crew import Crew
from migrations_app.engine.events import Step, StepFinished, StepStarted
from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.large_objects import copy_large_objects
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, queries
from migrations_app.engine.replication_names import PREFIX
from migrations_app.engine.schema.dump import SchemaDump, dump_schema
from migrations_app.engine.schema.index_builder import (
    IndexBuilder,
    TableName,
    indexes_of_tables,
    read_index_owners,
)
from migrations_app.engine.schema.post_data import structural
from migrations_app.engine.schema.provider_entries import schemas_of_extensions, without_providers_own
from migrations_app.engine.schema.restore import restore, restoring
from migrations_app.engine.schema.toc import TocEntry
from migrations_app.engine.schema.withdrawal import withdraw_guards
from migrations_app.engine.snapshot import Snapshot, hold_snapshot
from migrations_app.engine.spec import Selection
from migrations_app.engine.table_copy.adoption import adopt
from migrations_app.engine.table_copy.again import COPIED, begin_again
from migrations_app.engine.table_copy.configuration_tables import copy_configuration_tables
from migrations_app.engine.table_copy.copier import Digests, SourceDigester, TableCopier, plan_digests
from migrations_app.engine.table_copy.empty_tables import complete_empty_tables
from migrations_app.engine.table_copy.monitor import ProgressMonitor
from migrations_app.engine.table_copy.planner import plan_tables
from migrations_app.engine.table_copy.statements import part_key
from migrations_app.engine.table_locks import lock_tables
from migrations_app.engine.target.unlogged import forget_emptied_tables, require_no_crash
from migrations_app.engine.verification import TableDigest

OUR_SCHEMA = "_migration_portal"  # on the source, while a database is followed
PUBLICATIONS = ("PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA")
SnapshotSource = Callable[[DatabaseJob], AbstractContextManager[Snapshot]]


def plain_snapshot(job: DatabaseJob) -> AbstractContextManager[Snapshot]:
    """Return a snapshot of the source as it is now."""
    return hold_snapshot(job.source, job.database.source_name)


class CopyStage:
    """Copies schema and rows of one database; what it leaves behind is what the later steps need."""

    def __init__(
        self, job: DatabaseJob, *, new_snapshot: SnapshotSource | None = None, with_digests: bool = True
    ) -> None:
        """``new_snapshot`` yields the snapshot for rows that are not copied yet; without it any moment will do."""
        self.job = job
        self._new_snapshot = new_snapshot or plain_snapshot
        self._with_digests = with_digests
        self.dump: SchemaDump
        self.tables: Sequence[TablePlan] = ()
        self.indexes: dict[TableName, list[TocEntry]] = {}
        self.digests: Digests = {}
        self._done: dict[str, str] = {}

    @property
    def remaining_entries(self) -> list[TocEntry]:
        """Entries of the dump that belong to no index of a copied table."""
        built = {entry.id for entries in self.indexes.values() for entry in entries}
        return [entry for entry in self.dump.post_data if entry.id not in built]

    def run(self) -> None:
        """Do the stage. The snapshot ends with the last row read; index builds go on after it."""
        forget_emptied_tables(self.job)
        begin_again(self.job)
        with self.job.target.connected(self.job.database.target_name, purpose="look", read_only=True) as target:
            copied = self.job.markers.read(target, "step").get(COPIED)
        with self.job.control.child() as control, Crew(control) as crew:
            job = self.job.under(control)
            with (self._new_snapshot if copied is None else plain_snapshot)(job) as snapshot:
                job.note(f"The source is read as it is now: snapshot {snapshot.name}, {snapshot.extent}.")
                job.reporter.report(StepStarted(Step.SCHEMA, job.database.id))
                planned = self._lock(job, snapshot) if copied is None else []
                self._restore_schema(job, snapshot)
                if copied is None:
                    withdraw_guards(job, self.dump)
                self._plan(job, snapshot, planned=planned, copied=copied)
                builder = IndexBuilder(job, self.indexes)
                copier = TableCopier(
                    job, snapshot, tables=self.tables, done=self._done, on_table=builder.table_is_ready
                )
                for table in self.tables:
                    if copied is not None or all(part_key(table, part) in self._done for part in table.parts):
                        copier.tell(table)
                monitor = ProgressMonitor(job, copies=copier.running, indexes=builder.running)
                crew.start("monitor", monitor.watch)
                builders = self._start_builders(job, crew, builder)
                try:
                    if copied is None:
                        crew.wait(self._start_readers(job, snapshot, crew, copier))
                except BaseException:
                    monitor.finish()
                    raise
            if copied is None:
                self._remember_copied(job)
            job.reporter.report(StepFinished(Step.COPY, job.database.id))
            builder.no_more_tables()
            crew.wait(builders)
            monitor.finish()
        self.job.reporter.report(StepFinished(Step.INDEXES, self.job.database.id))

    def _lock(self, job: DatabaseJob, snapshot: Snapshot) -> list[TablePlan]:
        """Plan in the snapshot and lock what is planned, before anybody reads a row."""
        with snapshot.reader("plan") as source:
            planned = plan_tables(
                source,
                takes=job.takes,
                split_bytes=job.spec.options.split_bytes,
                skips_extension=job.source_provider.owns_extension,
            )
        lock_tables(snapshot, planned)
        return planned

    def _plan(self, job: DatabaseJob, snapshot: Snapshot, *, planned: Sequence[TablePlan], copied: str | None) -> None:
        """Decide what to copy; if an earlier run copied everything, its tables and digests are taken as they are."""
        job.reporter.report(StepStarted(Step.COPY, job.database.id))
        with snapshot.reader("plan") as source:
            owners = read_index_owners(source)
        if copied is None:
            self.tables, self._done = adopt(job, snapshot, planned=planned)
        else:
            self.tables, self.digests = list(job.queue.tables()), recall_digests(copied)
        self.indexes = indexes_of_tables(self.dump.post_data, owners=owners, tables=self.tables)

    def _start_builders(self, job: DatabaseJob, crew: Crew, builder: IndexBuilder) -> list[threading.Thread]:
        job.reporter.report(StepStarted(Step.INDEXES, job.database.id))
        builder.announce()
        return builder.start(crew)

    def _restore_schema(self, job: DatabaseJob, snapshot: Snapshot) -> None:
        self.dump = dump_selected_schema(job, snapshot, file=job.work_dir / "schema.dump")
        with restoring(job, purpose="pre-data") as target:
            restore(job, target, structural(self.dump.pre_data), phase="schema")
        job.reporter.report(StepFinished(Step.SCHEMA, job.database.id))

    def _start_readers(
        self, job: DatabaseJob, snapshot: Snapshot, crew: Crew, copier: TableCopier
    ) -> list[threading.Thread]:
        """Start everything that reads in the snapshot."""
        copy_configuration_tables(job, snapshot, self.tables, done=self._done)
        for table in complete_empty_tables(job, self.tables, done=self._done):
            copier.tell(table)
        readers = [crew.start("large-objects", lambda: copy_large_objects(job, snapshot))]
        if self._with_digests:
            plan = plan_digests(job, snapshot, level=job.spec.options.verification)
            digester = SourceDigester(job, snapshot, plan=plan, tables=self.tables)
            self.digests = digester.digests
            readers += digester.start(crew)
        return [*copier.start(crew), *readers]

    def _remember_copied(self, job: DatabaseJob) -> None:
        detail = json.dumps([[*name, asdict(digest)] for name, digest in self.digests.items()])
        with job.target.connected(job.database.target_name, purpose="copied") as target, target.transaction():
            job.markers.hold_on(target)
            require_no_crash(job, target)
            job.markers.forget(target, kind="step", keys=[COPIED])
            job.markers.add(target, kind="step", keys=[COPIED], detail=detail)


def dump_selected_schema(job: DatabaseJob, snapshot: Snapshot, *, file: Path) -> SchemaDump:
    """Dump the chosen part of the schema; choosing is leaving out the rest, so that nothing else is lost.

    What is the source provider's own is left out and told.
    """
    exclude_schemas: list[str] = []
    exclude_tables: list[tuple[str, str]] = []
    with snapshot.reader("selection") as source:
        if not job.database.selection.is_everything:
            exclude_schemas, exclude_tables = left_out(job, source)
        own_schemas = schemas_of_provider(job, source)
        extension_schemas = schemas_of_extensions(job, source)
    dump = dump_schema(
        snapshot,
        file=file,
        codec=job.codec,
        quote_all=job.source_version // 10000 != job.target_version // 10000,
        exclude_schemas=sorted({*exclude_schemas, *own_schemas, OUR_SCHEMA}),
        exclude_tables=exclude_tables,
    )
    dump = replace(dump, post_data=tuple(entry for entry in dump.post_data if not _is_publication_of_ours(entry)))
    return without_providers_own(job, dump, schemas=extension_schemas.union(own_schemas))


def _is_publication_of_ours(entry: TocEntry) -> bool:
    return entry.type in PUBLICATIONS and entry.name.startswith(PREFIX)


def schemas_of_provider(job: DatabaseJob, source: Connection) -> list[str]:
    """Return the schemas that are the source provider's own, and tell that they are left out."""
    rows = source.execute("SELECT nspname::text FROM pg_catalog.pg_namespace ORDER BY 1").fetchall()
    own = [row[0] for row in rows if job.source_provider.owns_schema(row[0])]
    job.left_out("schemas", own, phase="schema")
    return own


def left_out(job: DatabaseJob, source: Connection) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the schemas of which nothing is chosen, and the tables, views and sequences left out of the others."""
    selection = job.database.selection
    rows = source.execute(
        "SELECT n.nspname, c.relname, c.relkind IN ('r', 'p', 'f') FROM pg_catalog.pg_namespace n"
        " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f', 'v', 'm')"
        " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchall()
    schemas = {row[0] for row in rows}
    wanted = {row[0] for row in rows if row[1] is not None and selection.takes(row[0], row[1])}
    wanted |= schemas & set(selection.include_schemas)
    if not selection.include_schemas and not selection.include_tables:
        wanted |= schemas - set(selection.exclude_schemas)
    tables = [(row[0], row[1]) for row in rows if row[0] in wanted and row[1] and not selection.takes(row[0], row[1])]
    job.find(
        "PM4009",
        Level.INFO,
        f"database {job.database.source_name}",
        f"{len(schemas - wanted)} schemas and {len(tables)} tables and views were left out, as chosen.",
        why="Objects that depend on them cannot be restored and are listed as findings.",
        phase="schema",
    )
    return sorted(schemas - wanted), [*tables, *_sequences_left_out(source, selection)]


def _sequences_left_out(source: Connection, selection: Selection) -> list[tuple[str, str]]:
    """pg_dump takes the sequence of a serial column without its table, as one that nobody owns."""
    rows = source.execute(queries.get("owned_sequences", server_version=source.info.server_version), {}).fetchall()
    return [
        (schema, name)
        for schema, name, owner, users in rows
        if not selection.takes(schema, owner) and not any(selection.takes(*user) for user in users)
    ]


def recall_digests(detail: str) -> Digests:
    """Read the digests back from the target's note."""
    found: Digests = {}
    for schema, table, values in json.loads(detail):
        values["unprovable_columns"] = tuple(values["unprovable_columns"])
        found[schema, table] = TableDigest(**values)
    return found
