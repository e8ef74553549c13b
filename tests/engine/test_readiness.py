"""Which prerequisites are met, told from looks at real servers."""

from __future__ import annotations

import pytest

from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import probe_server
from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.providers.prerequisites import prerequisites_of
from migrations_app.engine.providers.provider import Done
from migrations_app.engine.providers.readiness import Answer, answer_to, observed_in
from migrations_app.engine.spec import Side
from tests.engine.validating import drop_role, new_role
from tests.fixtures.servers import RunningServer, ServerPool

DONE, NOT_DONE, UNSEEN = Done.DONE, Done.NOT_DONE, Done.CANNOT_BE_SEEN


@pytest.fixture
def server(servers: ServerPool) -> RunningServer:
    return servers.get(17, name="probed")


def answers(server: Server, *, side: Side = Side.SOURCE, provider: str = "") -> dict[str, Answer]:
    """Look at ``server`` and answer each prerequisite of its provider, by key."""
    facts = probe_server(server).as_dict()
    known = provider_by_key(provider or facts["provider"])
    seen = observed_in(facts, provider=known, side=side)
    return {each.key: answer_to(each, seen) for each in prerequisites_of(known, side=side, online=True)}


def test_a_superuser_on_a_server_without_logical_decoding(servers: ServerPool) -> None:
    with servers.fresh(17, wal_level="replica", max_wal_senders="3", max_replication_slots="5") as server:
        found = answers(Server(server.endpoint()))
    assert found["logical"] == Answer(NOT_DONE, "wal_level is replica.")
    assert found["slots"] == Answer(NOT_DONE, "5 of 5 slots are free, max_wal_senders is 3.")
    assert found["replication"].done is found["reads"].done is found["network"].done is DONE
    assert found["version"].done is found["direct"].done is found["primary"].done is DONE
    assert found["tls"] == Answer(DONE, "The session is not encrypted, but does not leave this machine.")
    assert found["keys"].done is found["publishing"].done is found["timeout"].done is UNSEEN


def test_the_commands_make_it_ready(servers: ServerPool) -> None:
    """What is shown to type is typed, and then everything that can be seen is done."""
    with servers.fresh(17, tls=True, wal_level="replica", max_wal_senders="3") as server:
        role = new_role(server)
        endpoint = role.endpoint(server, Side.SOURCE)
        before = answers(Server(endpoint))
        assert {key for key, answer in before.items() if answer.done is NOT_DONE} == {"logical", "slots", "replication"}
        needed = prerequisites_of(provider_by_key("OnPremises"), side=Side.SOURCE, online=True, user=role.name)
        for each in needed:
            if each.key in ("logical", "replication"):
                server.psql(each.commands)
        server.restart()
        after = answers(Server(endpoint))
    assert not [key for key, answer in after.items() if answer.done is NOT_DONE]
    assert all(after[key].done is DONE for key in ("logical", "slots", "replication", "tls"))


def test_a_user_with_few_rights(server: RunningServer) -> None:
    role = new_role(server)
    source = answers(Server(role.endpoint(server, Side.SOURCE)))
    target = answers(Server(role.endpoint(server, Side.TARGET)), side=Side.TARGET)
    drop_role(server, role)
    assert source["replication"].done is NOT_DONE
    assert source["reads"].done is UNSEEN
    assert (target["databases"].done, target["roles"].done, target["writable"].done) == (NOT_DONE, NOT_DONE, DONE)


def test_membership_in_the_providers_roles(servers: ServerPool) -> None:
    with servers.fresh(15, **{"rds.extensions": "hstore"}) as server:
        server.psql("CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; CREATE ROLE rds_replication")
        role = new_role(server, "CREATEDB CREATEROLE")
        endpoint = role.endpoint(server, Side.TARGET)
        before = answers(Server(endpoint)), answers(Server(endpoint), side=Side.TARGET)
        server.psql(f"GRANT rds_replication, rds_superuser TO {role.name}")
        after = answers(Server(endpoint)), answers(Server(endpoint), side=Side.TARGET)
    assert (before[0]["replication"].done, before[1]["administrator"].done) == (NOT_DONE, NOT_DONE)
    assert (after[0]["replication"].done, after[1]["administrator"].done) == (DONE, DONE)


def test_the_query_for_tables_without_a_key(server: RunningServer) -> None:
    needed = prerequisites_of(provider_by_key("AzureVM"), side=Side.SOURCE, online=True)
    query = next(each.commands for each in needed if each.key == "keys")
    with server.fresh_database() as name:
        server.psql(
            "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE bare (id int); "
            "CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL",
            database=name,
        )
        assert server.psql(query, database=name).split() == ["bare"]


def test_nothing_is_done_that_was_not_seen() -> None:
    """Facts of an older portal, or none, lead to no claim but that a login was possible."""
    for provider in ("AWS_RDS", "OnPremises", "PostgreSQLFlexibleServer"):
        known = provider_by_key(provider)
        for side in Side:
            seen = observed_in({"host": "x", "port": 5432}, provider=known, side=side)
            needed = prerequisites_of(known, side=side, online=True)
            claims = {each.key for each in needed if answer_to(each, seen).done is not UNSEEN}
            assert claims == {"network"}
            assert {answer_to(each, None).done for each in needed} == {UNSEEN}


def test_an_open_session_to_another_machine_is_not_done() -> None:
    known = provider_by_key("OnPremises")
    seen = observed_in(
        {"host": "db.example.com", "port": 5432, "tls": {"in_use": False}}, provider=known, side=Side.SOURCE
    )
    tls = next(p for p in prerequisites_of(known, side=Side.SOURCE, online=False) if p.key == "tls")
    assert answer_to(tls, seen) == Answer(NOT_DONE, "The session is not encrypted.")


def test_a_reader_endpoint_is_no_direct_address() -> None:
    aurora = provider_by_key("AWS_AURORA")
    facts = {"host": "shop.cluster-ro-a1.eu-west-1.rds.amazonaws.com", "port": 5432, "pooler": ""}
    seen = observed_in(facts, provider=aurora, side=Side.SOURCE)
    direct = next(p for p in prerequisites_of(aurora, side=Side.SOURCE, online=False) if p.key == "direct")
    assert answer_to(direct, seen) == Answer(NOT_DONE, "This is a reader endpoint.")
