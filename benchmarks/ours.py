"""Run our engine once, without the portal: ``python -m benchmarks.ours``; the password comes as PGPASSWORD."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path

from benchmarks.data_set import DATABASE
from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.events import (
    DatabaseFailed,
    Event,
    FindingRaised,
    ObjectVerified,
    StepFinished,
    StepStarted,
)
from migrations_app.engine.findings import Level
from migrations_app.engine.offline import migrate
from migrations_app.engine.spec import (
    DatabaseSpec,
    Endpoint,
    MigrationOption,
    MigrationSpec,
    Options,
    RolePolicy,
    Side,
    VerificationLevel,
)

MIGRATION_ID = "00000000-0000-4000-8000-00000000be9c"
DATABASE_ID = "00000000-0000-4000-8000-0000000000db"


class PrintingReporter:
    """``engine.ports.Reporter``: prints steps with their times, and keeps what went wrong."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self.problems: list[str] = []

    def report(self, event: Event) -> None:
        """Print one event, if it tells about a step or a problem."""
        problem = _problem(event)
        with self._lock:
            if problem:
                self.problems.append(problem)
            if problem or isinstance(event, StepStarted | StepFinished):
                print(f"{time.monotonic() - self._started:8.2f} {problem or event}", flush=True)


def _problem(event: Event) -> str:
    if isinstance(event, DatabaseFailed):
        return f"failed: {event.message} {event.server_message}"
    if isinstance(event, FindingRaised) and event.finding.level is Level.FAILED:
        return (
            f"finding {event.finding.code} {event.finding.subject}: {event.finding.saw} {event.finding.server_message}"
        )
    if isinstance(event, ObjectVerified) and event.result != "identical":
        return f"{event.object_class} {event.name}: {event.result} {event.detail}"
    return ""


def main() -> int:
    """Move the database and say how it went; exit code 1 if anything failed."""
    arguments = _parser().parse_args()
    reporter = PrintingReporter()
    outcome = migrate(
        _spec(arguments),
        reporter=reporter,
        control=Control(fence=1),
        queue_for=lambda _: MemoryPartQueue(),
        work_dir=Path(arguments.work_dir),
    )
    print(json.dumps({"succeeded": outcome.succeeded, "problems": reporter.problems}))
    return 0 if outcome.succeeded and not reporter.problems else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source-port", type=int, required=True)
    parser.add_argument("--target-port", type=int, required=True)
    parser.add_argument("--work-dir", required=True)
    parser.add_argument("--verification", choices=[level.value for level in VerificationLevel], default="none")
    parser.add_argument("--jobs", type=int, default=Options().jobs)
    return parser


def _spec(arguments: argparse.Namespace) -> MigrationSpec:
    return MigrationSpec(
        id=MIGRATION_ID,
        name="benchmark",
        source=_endpoint(Side.SOURCE, arguments.source_port),
        target=_endpoint(Side.TARGET, arguments.target_port),
        databases=(
            DatabaseSpec(id="00000000-0000-4000-8000-0000000000db", source_name=DATABASE, target_name=DATABASE),
        ),
        option=MigrationOption.MIGRATE,
        options=Options(
            jobs=arguments.jobs, roles=RolePolicy.SKIP, verification=VerificationLevel(arguments.verification)
        ),
    )


def _endpoint(side: Side, port: int) -> Endpoint:
    return Endpoint(
        side=side, host="127.0.0.1", port=port, user="postgres", password=os.environ["PGPASSWORD"], sslmode="disable"
    )


if __name__ == "__main__":
    sys.exit(main())
