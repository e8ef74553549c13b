"""Who drives a migration."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from migrations_app.engine.errors import LeaseLost
from migrations_app.models import Migration, Run
from migrations_app.services.lease import Lease, claim, extend, fenced, release


@pytest.mark.django_db
def test_a_lease_is_held_by_one(queued: Migration) -> None:
    lease = claim(queued.pk)
    assert lease is not None and (lease.fence, lease.attempt) == (1, 1)
    assert claim(queued.pk) is None
    assert extend(lease)


@pytest.mark.django_db
def test_an_expired_lease_passes_on_with_a_higher_fence(lease: Lease) -> None:
    Run.objects.update(lease_until=Now() - timedelta(seconds=1))
    successor = claim(lease.migration_id)
    assert successor is not None and (successor.fence, successor.attempt) == (lease.fence + 1, 2)
    assert not extend(lease)
    assert not release(lease)
    assert extend(successor)


@pytest.mark.django_db
def test_a_released_lease_is_free_at_once_and_counts_as_no_abrupt_end(lease: Lease) -> None:
    assert release(lease)
    successor = claim(lease.migration_id)
    assert successor is not None and (successor.fence, successor.attempt) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_at_once_one_gets_it(queued: Migration) -> None:
    start, claims = threading.Barrier(8), list[Lease | None]()

    def compete() -> None:
        start.wait()
        claims.append(claim(queued.pk))
        connection.close()

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claimed is not None for claimed in claims) == 1
    assert Run.objects.get().fence == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_no_write_of_the_old_run_and_never_overlaps_one(lease: Lease) -> None:
    """Either the write commits before the successor owns the run, or it finds its fence old."""
    inside, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with fenced(lease.migration_id, fence=lease.fence):
            inside.set()
            go_on.wait()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait()
    Run.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert claim(lease.migration_id) is None
    go_on.set()
    writer.join()
    assert claim(lease.migration_id) is not None
    with pytest.raises(LeaseLost), fenced(lease.migration_id, fence=lease.fence):
        pytest.fail("an old run must not write")
