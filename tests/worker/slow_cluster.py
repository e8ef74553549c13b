"""A real cluster whose engine copies nothing, slowly: ``python -m tests.worker.slow_cluster``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import django

from migrations_app.engine.control import Control
from migrations_app.engine.events import (
    DatabaseFinished,
    DatabaseStarted,
    PartProgress,
    Step,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec

PARTS = 60
PART_SECONDS = 0.2
THREADS = 2


@dataclass(frozen=True)
class Outcome:
    succeeded: bool = True


def plan() -> TablePlan:
    parts = tuple(PartPlan(number, PartKind.CTID, number, number + 1) for number in range(PARTS))
    return TablePlan(1, "public", "slow", ("id",), 1000, -1, True, parts)


def migrate_slowly(
    spec: MigrationSpec,
    *,
    reporter: Reporter,
    control: Control,
    queue_for: Callable[[DatabaseSpec], PartQueue],
    work_dir: Path,
) -> Outcome:
    """Claim and complete every part of every database, as the engine's copy workers do."""
    for database in spec.databases:
        if not database.finished:
            reporter.report(DatabaseStarted(database.id))
            reporter.report(StepStarted(Step.COPY, database.id))
            copy_slowly(queue_for(database), reporter, control)
            reporter.report(StepFinished(Step.COPY, database.id))
            reporter.report(DatabaseFinished(database.id, "identical"))
    return Outcome()


def copy_slowly(queue: PartQueue, reporter: Reporter, control: Control) -> None:
    queue.enqueue([plan()])
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while (part := queue.claim()) is not None:
                reporter.report(PartProgress(part.id, rows=1, bytes=1))
                time.sleep(PART_SECONDS)
                control.check()
                queue.complete(part.id, rows=10, bytes=100)
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main() -> None:
    django.setup()
    from migrations_app.services import engines
    from migrations_app.worker.cluster_process import ClusterProcess

    engines._offline = lambda: migrate_slowly
    ClusterProcess().run()


if __name__ == "__main__":
    main()
