"""Which part of the engine moves a migration, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings

from migrations_app.engine.control import Control
from migrations_app.engine.ports import PartQueue, Reporter, Requests
from migrations_app.engine.replication.clean_up import Swept
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec
from migrations_app.models import Migration, OnlinePhase, State
from migrations_app.services.lease import Lease
from migrations_app.services.part_queue import DatabasePartQueue
from migrations_app.services.progress import ProgressRecorder
from migrations_app.services.requests import RowRequests
from migrations_app.services.runs import moves_online
from migrations_app.services.spec import spec_for


class Outcome(Protocol):
    """What the engine returns; how each database ended was reported before."""

    @property
    def succeeded(self) -> bool:
        """True when every database arrived."""


class OnlineOutcome(Outcome, Protocol):
    """What the online engine returns."""

    @property
    def look_again_seconds(self) -> float | None:
        """Not None: replication goes on without a process of ours; call again after that time, or when asked."""


class Engine(Protocol):
    """``engine.offline.migrate``, or what stands in for it in a test."""

    def __call__(
        self,
        spec: MigrationSpec,
        *,
        reporter: Reporter,
        control: Control,
        queue_for: Callable[[DatabaseSpec], PartQueue],
        work_dir: Path,
    ) -> Outcome:
        """Move the databases of ``spec``."""


class OnlineEngine(Protocol):
    """``engine.online.migrate``, or what stands in for it in a test."""

    def __call__(
        self,
        spec: MigrationSpec,
        *,
        reporter: Reporter,
        control: Control,
        queue_for: Callable[[DatabaseSpec], PartQueue],
        work_dir: Path,
        requests: Requests,
    ) -> OnlineOutcome:
        """Move the databases of ``spec``, follow them, and do what people ask."""


class CleanUp(Protocol):
    """``engine.online.clean_up``, or what stands in for it in a test."""

    def __call__(self, spec: MigrationSpec, *, reporter: Reporter, control: Control) -> None:
        """Remove from both servers everything that follows changes. Raises ``EngineError`` for what is left."""


@dataclass(frozen=True)
class Engines:
    """What moves migrations; None is the engine itself."""

    offline: Engine | None = None
    online: OnlineEngine | None = None
    clean_up: CleanUp | None = None


def run_engine(lease: Lease, control: Control, *, engines: Engines) -> tuple[Outcome, float | None]:
    """Run the engine with rows as its ports; return its outcome, and after how many seconds to look again."""
    migration = Migration.objects.select_related("source", "target").get(pk=lease.migration_id)
    spec, folder = spec_for(migration), work_dir(lease.migration_id)
    with ExitStack() as stack:
        queue_for = _Queues(lease)
        stack.callback(queue_for.close)
        recorder = stack.enter_context(ProgressRecorder(lease.migration_id, control=control))
        if not moves_online(migration):
            outcome = (engines.offline or _offline())(
                spec, reporter=recorder, control=control, queue_for=queue_for, work_dir=folder
            )
            return outcome, None
        requests = RowRequests(lease.migration_id, fence=lease.fence)
        stack.callback(requests.close)
        spec = _without_failed(spec, migration)
        followed = (engines.online or _online())(
            spec, reporter=recorder, control=control, queue_for=queue_for, work_dir=folder, requests=requests
        )
        return followed, followed.look_again_seconds


def run_clean_up(lease: Lease, control: Control, *, engines: Engines) -> None:
    """Remove from both servers what follows changes. Raises ``EngineError`` for what could not be removed."""
    migration = Migration.objects.select_related("source", "target").get(pk=lease.migration_id)
    spec = _with_all(spec_for(migration), migration)
    with ProgressRecorder(lease.migration_id, control=control) as recorder:
        (engines.clean_up or _clean_up())(spec, reporter=recorder, control=control)


def run_clean_up_again(lease: Lease, control: Control) -> list[tuple[DatabaseSpec, Swept]]:
    """Remove from both servers what may be left after the end; return what was found. Raises ``EngineError``."""
    from migrations_app.engine.online import clean_up_again

    migration = Migration.objects.select_related("source", "target").get(pk=lease.migration_id)
    with ProgressRecorder(lease.migration_id, control=control) as recorder:
        return clean_up_again(spec_for(migration), reporter=recorder, control=control)


def _without_failed(spec: MigrationSpec, migration: Migration) -> MigrationSpec:
    """A database that failed is not tried again at every look; a resume makes it one that waits for its turn."""
    failed = {str(pk) for pk in migration.databases.filter(state=State.FAILED).values_list("pk", flat=True)}
    return replace(spec, databases=tuple(row for row in spec.databases if row.id not in failed))


def _with_all(spec: MigrationSpec, migration: Migration) -> MigrationSpec:
    """What went back to the source may have been interrupted before the last of ours was removed."""
    rows = migration.databases.filter(phase=OnlinePhase.GONE_BACK)
    back = {str(pk) for pk in rows.values_list("pk", flat=True)}
    return replace(
        spec, databases=tuple(replace(row, finished="") if row.id in back else row for row in spec.databases)
    )


def work_dir(migration_id: UUID) -> Path:
    """Return the folder for the files of one migration, made where it is missing."""
    folder = Path(settings.VAR_DIR) / "work" / str(migration_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class _Queues:
    """Hands out the part queue of each database, and closes them all."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._queues: list[DatabasePartQueue] = []

    def __call__(self, database: DatabaseSpec) -> PartQueue:
        queue = DatabasePartQueue(
            migration_id=self._lease.migration_id, database_id=UUID(database.id), fence=self._lease.fence
        )
        self._queues.append(queue)
        return queue

    def close(self) -> None:
        for queue in self._queues:
            queue.close()


def _offline() -> Engine:
    from migrations_app.engine.offline import migrate

    return migrate


def _online() -> OnlineEngine:
    from migrations_app.engine.online import migrate

    return migrate


def _clean_up() -> CleanUp:
    from migrations_app.engine.online import clean_up

    return clean_up
