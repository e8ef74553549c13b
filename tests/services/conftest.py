"""Migrations ready to start, and plans to copy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now

from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.spec import Endpoint, Side
from migrations_app.models import Migration, Run, State
from migrations_app.services.lease import Lease, claim
from tests.fixtures.migrations import note_tests

SOURCE = Endpoint(Side.SOURCE, host="source.example", port=5432, user="dba", password="source secret")
TARGET = Endpoint(Side.TARGET, host="target.example", port=5432, user="dba", password="target secret")


@pytest.fixture
def draft(make_migration: Callable[..., Migration]) -> Migration:
    """A complete draft of two databases; its servers do not exist."""
    migration = make_migration(source=SOURCE, target=TARGET, databases=["shop", ("crm", "crm_new")])
    note_tests()
    migration.refresh_from_db()
    return migration


@pytest.fixture
def queued(draft: Migration) -> Migration:
    """The same, queued, with a run that nobody drives."""
    Migration.objects.filter(pk=draft.pk).update(state=State.QUEUED)
    Run.objects.create(migration=draft)
    draft.refresh_from_db()
    return draft


@pytest.fixture
def lease(queued: Migration) -> Lease:
    """The lease of that migration, in progress."""
    Migration.objects.filter(pk=queued.pk).update(state=State.IN_PROGRESS)
    lease = claim(queued.pk)
    assert lease is not None
    return lease


def take_over(migration_id: UUID) -> Lease:
    """Let the lease expire and claim it, as another worker does; again when the old run is just writing."""
    for _ in range(100):
        Run.objects.filter(migration_id=migration_id).update(lease_until=Now() - timedelta(seconds=1))
        if lease := claim(migration_id):
            return lease
    raise AssertionError("the lease could not be claimed")


def table_plan(name: str, *, parts: int = 1, size: int = 8192, schema: str = "public") -> TablePlan:
    """Return the plan of a table in ``parts`` parts."""
    if parts == 1:
        ranges: tuple[PartPlan, ...] = (PartPlan(0, PartKind.WHOLE),)
    else:
        ranges = tuple(PartPlan(n, PartKind.CTID, lower=n * 100, upper=(n + 1) * 100) for n in range(parts))
    return TablePlan(
        oid=16384,
        schema=schema,
        name=name,
        columns=("id", 'strange "name"'),
        bytes=size,
        rows_estimate=-1,
        binary=True,
        parts=ranges,
        condition="id > 0",
    )
