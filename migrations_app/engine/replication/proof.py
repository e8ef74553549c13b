"""Compare both servers while the fence is held: what is different in the data keeps the other database from opening."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrations_app.engine.crew import Crew
from migrations_app.engine.errors import EngineError
from migrations_app.engine.events import CheckResult, Event, ObjectVerified
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.ports import Reporter
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.database_access import DatabaseAccess
from migrations_app.engine.replication.large_object_delta import find_delta
from migrations_app.engine.replication.sequences_ahead import SequencesSet
from migrations_app.engine.snapshot import hold_snapshot
from migrations_app.engine.spec import Side, VerificationLevel
from migrations_app.engine.table_copy.copier import Digests, SourceDigester, plan_digests
from migrations_app.engine.table_copy.planner import plan_tables
from migrations_app.engine.target.guards import Guard
from migrations_app.engine.verification import choose_method, read_traits, verify_database
from migrations_app.engine.verification.asleep import sleepers_of
from migrations_app.engine.verification.catalog import AsIf
from migrations_app.engine.verification.catalog_objects import CatalogObject
from migrations_app.engine.verification.database import read_access_rules, read_scope
from migrations_app.engine.verification.sequences import verify_sequences
from migrations_app.engine.verification.verdicts import Verdicts

DATA_CLASSES = ("table", "sequence", "large objects")
NOT_VERIFIED = "not_verified"
SHOWN = 5


class NotIdentical(EngineError):
    """The rows, sequences or large objects of both servers are not the same, or it could not be told."""


@dataclass(frozen=True)
class Proof:
    """What was compared; ``verified`` is a ``CheckResult`` or ``not_verified``."""

    verified: str
    compared: int
    differing: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``1,204 objects compared, identical``, for people."""
        if self.verified == NOT_VERIFIED:
            return "sequences only, as chosen"
        words = self.verified.replace("_", " ")
        more = f": {', '.join(self.differing[:SHOWN])}" if self.differing else ""
        return f"{self.compared:,} comparisons, {words}{more}"


class _Listener:
    """Passes events on, and keeps what was compared and is not identical."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self.compared = 0
        self.problems: list[ObjectVerified] = []

    def report(self, event: Event) -> None:
        """Take one event; called from several threads."""
        if isinstance(event, ObjectVerified):
            with self._lock:
                self.compared += 1
                if event.result is not CheckResult.IDENTICAL:
                    self.problems.append(event)
        self._reporter.report(event)


def prove(
    crossing: Crossing,
    *,
    level: VerificationLevel,
    sequences: SequencesSet,
    accesses: Mapping[Side, DatabaseAccess],
    asleep: Sequence[Guard] = (),
) -> Proof:
    """Compare everything, at ``level``; ``accesses`` are the databases that are fenced, as they were before.

    ``asleep`` sleeps on the side that is entered and is taken for awake.

    Raises ``NotIdentical`` for a difference in rows, sequences or large objects, or where one could not be compared.
    What differs in the catalog is reported, and part of the result.
    """
    listener = _Listener(crossing.job.reporter)
    job = replace(crossing.job, reporter=listener)
    if level is VerificationLevel.NONE:
        _prove_sequences(replace(crossing, job=job), sequences)
        _refuse(crossing, listener.problems)
        return Proof(NOT_VERIFIED, listener.compared)
    tables, digests = _digest_source(crossing, level)
    result = verify_database(
        job.spec,
        job.database,
        job.source,
        job.target,
        tables,
        digests,
        level,
        listener,
        job.control,
        job.jobs,
        source_sequences=sequences.states,
        as_if=_as_before(accesses, asleep),
    )
    _refuse(crossing, listener.problems)
    return Proof(str(result), listener.compared, tuple(f"{e.object_class} {e.name}" for e in listener.problems))


def _digest_source(crossing: Crossing, level: VerificationLevel) -> tuple[list[TablePlan], Digests]:
    job = crossing.job
    with job.control.child() as control, Crew(control) as crew:
        under = _with_source_to_itself(job.under(control))
        with hold_snapshot(under.source, job.database.source_name) as snapshot:
            with snapshot.reader("plan") as source:
                tables = plan_tables(
                    source,
                    takes=job.takes,
                    split_bytes=job.spec.options.split_bytes,
                    skips_extension=job.source_provider.owns_extension,
                )
            digester = SourceDigester(under, snapshot, plan=plan_digests(under, snapshot, level=level), tables=tables)
            crew.wait(digester.start(crew))
    return tables, digester.digests


def _with_source_to_itself(job: DatabaseJob) -> DatabaseJob:
    """A digester leaves half of the source to the copy beside it; behind a fence nobody else is there."""
    options = replace(job.spec.options, jobs=2 * job.spec.options.jobs)
    return replace(job, spec=replace(job.spec, options=options))


def _prove_sequences(crossing: Crossing, sequences: SequencesSet) -> None:
    job = crossing.job
    with (
        job.source.connected(job.database.source_name, purpose="verify") as source,
        job.target.connected(job.database.target_name, purpose="verify", read_only=True) as target,
    ):
        scope = read_scope(source, job.database, provider=job.source_provider)
        verdicts = Verdicts(job.reporter, database_id=job.database.id)
        verify_sequences(source, target, scope=scope, verdicts=verdicts, expected=sequences.states)


def _refuse(crossing: Crossing, problems: list[ObjectVerified]) -> None:
    found = [each for each in problems if each.object_class in DATA_CLASSES]
    if found and all(each.object_class == "large objects" for each in found) and not _contents_differ(crossing):
        return  # owners, grants or comments of large objects, which is told like that of any other object
    if not found:
        return
    different = [each for each in found if each.result is CheckResult.DIFFERENT]
    words = "; ".join(f"{each.object_class} {each.name}: {each.detail or each.result}" for each in found[:SHOWN])
    what = "are not the same on both servers" if different else "could not be compared"
    raise NotIdentical(
        f"{len(found):,} objects {what}: {words}",
        hint="Look at the differences in the verification report. Where they are rows, copy their tables again."
        if different
        else "Mend what the server names, or compare numbers of rows instead of their content, then cut over again.",
    )


def _contents_differ(crossing: Crossing) -> bool:
    job = crossing.job
    with (
        job.source.connected(job.database.source_name, purpose="verify") as source,
        job.target.connected(job.database.target_name, purpose="verify", read_only=True) as target,
    ):
        method = choose_method(source=read_traits(source), target=read_traits(target))
        access = read_access_rules(source, target, spec=job.spec)
        delta = find_delta(source, target, method=method, access=access, control=job.control)
    return bool(delta.new or delta.changed or delta.gone)


def _as_before(accesses: Mapping[Side, DatabaseAccess], asleep: Sequence[Guard]) -> AsIf:
    """Take a fenced database for what it was before the fence, and what sleeps for awake."""
    states: dict[tuple[str, str], dict[str, Any]] = {}
    for (object_class, name, known), value in sleepers_of(asleep).items():
        states.setdefault((object_class, name), {})[known] = value

    def before(side: Side, found: CatalogObject) -> CatalogObject | None:
        if side is Side.TARGET and (awake := states.get((found.object_class, found.name))):
            return replace(found, properties=found.properties | awake)
        access = accesses.get(side)
        if access is None:
            return found
        if found.object_class == "database":
            return replace(found, properties=found.properties | {"grants": access.meant})
        if found.object_class == "database setting" and found.name == "default_transaction_read_only":
            known = access.read_only is not None
            return replace(found, properties=found.properties | {"value": access.read_only}) if known else None
        return found

    return before
