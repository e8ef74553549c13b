"""A migration reaches servers on the network only, and only where the settings allow it, however its host came in."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationEndpoint, SavedConnection, State
from migrations_app.services.allowed_hosts import is_network_host
from migrations_app.services.conductor import conduct
from migrations_app.services.drafts import EndpointValues, draft_create, draft_set_endpoint, draft_use_saved_connection
from migrations_app.services.endpoints import endpoint_from_row
from migrations_app.services.saved_connections import connection_save

pytestmark = pytest.mark.django_db
NOT_ON_THE_NETWORK = ("/var/run/postgresql", "@abstract", " /tmp", "db.example,/tmp", "/tmp,db.example", "", " ")


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.5", "::1", "localhost"])
def test_names_and_addresses_are_on_the_network(host: str) -> None:
    assert is_network_host(host)


@pytest.mark.parametrize("host", NOT_ON_THE_NETWORK)
def test_a_socket_is_refused_wherever_it_comes_from(host: str) -> None:
    values = EndpointValues(host=host, username="portal")
    migration = draft_create(name="sneaky")
    for save in (
        lambda: draft_set_endpoint(migration, side=Side.SOURCE, values=values),
        lambda: connection_save(None, name="sneaky", provider="OnPremises", values=values),
        lambda: endpoint_from_row(MigrationEndpoint(host=host, username="portal"), Side.TARGET),
    ):
        with pytest.raises(ConnectionFailed, match="is not one host on the network") as refused:
            save()
        assert "Write one host name or IP address" in refused.value.hint
    migration.source.refresh_from_db()
    assert (migration.source.host, SavedConnection.objects.count()) == ("", 0)


def test_a_socket_saved_by_an_earlier_version_is_not_used() -> None:
    saved = SavedConnection.objects.create(name="old", host="/tmp", username="portal")
    with pytest.raises(ConnectionFailed):
        draft_use_saved_connection(draft_create(name="later"), side=Side.SOURCE, saved=saved)


@pytest.mark.django_db(transaction=True)
def test_a_network_that_was_closed_after_the_start_is_not_reached(queued: Migration, settings: Any) -> None:
    settings.PORTAL_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    MigrationEndpoint.objects.update(host="127.0.0.1")

    def engine(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the engine must not be asked")

    conduct(queued.pk, engine=engine)
    queued.refresh_from_db()
    assert queued.state == State.FAILED
    assert "127.0.0.1 (127.0.0.1) is not in a network that this portal may reach." in queued.error
    assert "PORTAL_ALLOWED_NETWORKS" in queued.error_hint
