"""Rows become the engine's values."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from migrations_app.engine.spec import ApplyChoice, OnlineOptions, Selection, Side, WithoutIdentity
from migrations_app.models import Migration, MigrationDatabase, MigrationEndpoint, State
from migrations_app.services.endpoints import endpoint_from_row
from migrations_app.services.spec import spec_for
from tests.services.conftest import SOURCE, TARGET


@pytest.mark.django_db
def test_a_migration_becomes_a_specification(draft: Migration) -> None:
    MigrationDatabase.objects.filter(source_name="shop").update(
        selection={"include_schemas": ["a"], "exclude_tables": [["a", "b"]]}, overwrite=True
    )
    spec = spec_for(draft)
    assert (spec.source, spec.target) == (SOURCE, TARGET)
    crm, shop = spec.databases
    assert (crm.source_name, crm.target_name, crm.finished) == ("crm", "crm_new", "")
    assert shop.overwrite
    assert shop.selection == Selection(include_schemas=("a",), exclude_tables=(("a", "b"),))
    assert spec.options.jobs == draft.jobs


@pytest.mark.django_db
def test_a_database_that_arrived_says_so(draft: Migration) -> None:
    MigrationDatabase.objects.filter(source_name="shop").update(state=State.SUCCEEDED, verified="identical")
    assert [database.finished for database in spec_for(draft).databases] == ["", "identical"]


def test_a_certificate_authority_becomes_a_private_file() -> None:
    row = MigrationEndpoint(host="db.example", ca_certificate="-----BEGIN CERTIFICATE-----\n…", sslmode="verify-full")
    endpoint = endpoint_from_row(row, Side.SOURCE)
    assert endpoint.ca_file
    path = Path(endpoint.ca_file)
    assert path.read_text() == row.ca_certificate
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert endpoint_from_row(row, "source").ca_file == endpoint.ca_file


@pytest.mark.django_db
def test_how_it_follows_is_part_of_the_specification(draft: Migration) -> None:
    assert spec_for(draft).online == OnlineOptions()
    draft.apply_engine, draft.without_identity = ApplyChoice.THROUGH_PORTAL, WithoutIdentity.FULL
    draft.fall_back, draft.heartbeat, draft.source_as_seen_by_target = True, False, "10.0.0.7:5433"
    online = spec_for(draft).online
    assert (online.apply, online.without_identity) == (ApplyChoice.THROUGH_PORTAL, WithoutIdentity.FULL)
    assert (online.fall_back, online.heartbeat, online.source_as_seen_by_target) == (True, False, "10.0.0.7:5433")
