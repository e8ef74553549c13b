"""Nobody writes behind a fence, and afterwards who may connect is stored exactly as before."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from migrations_app.engine.events import Direction
from migrations_app.engine.replication.crossing import Crossing, crossing_to_target
from migrations_app.engine.replication.fence import FenceRefused, closed_fence, note_access, reopen
from migrations_app.engine.replication.readiness import look_at_readiness
from migrations_app.engine.replication.table_fence import WriterInTheWay
from migrations_app.engine.spec import OnlineOptions, Side, VerificationLevel
from tests.engine.cutting_over import Followed, followed
from tests.fixtures.servers import RunningServer, ServerPool

ROLES = (
    "CREATE ROLE fence_owner LOGIN PASSWORD 'pw'; CREATE ROLE fence_app LOGIN PASSWORD 'pw';"
    "CREATE ROLE fence_team LOGIN PASSWORD 'pw'; CREATE ROLE fence_reader LOGIN PASSWORD 'pw'"
)
ACCESSES = {
    "never granted": "",
    "public shut out": "REVOKE ALL ON DATABASE {db} FROM PUBLIC; GRANT CONNECT, TEMP ON DATABASE {db} TO fence_app",
    "two roles around the owner": "REVOKE CONNECT ON DATABASE {db} FROM PUBLIC;"
    "REVOKE ALL ON DATABASE {db} FROM postgres; GRANT CONNECT ON DATABASE {db} TO fence_app;"
    "GRANT ALL ON DATABASE {db} TO postgres; GRANT CREATE ON DATABASE {db} TO fence_team",
    "passed on": "REVOKE ALL ON DATABASE {db} FROM PUBLIC;"
    "GRANT CONNECT ON DATABASE {db} TO fence_team WITH GRANT OPTION;"
    "SET ROLE fence_team; GRANT CONNECT ON DATABASE {db} TO fence_app; RESET ROLE",
    "settings": "ALTER DATABASE {db} SET work_mem = '8MB'; ALTER DATABASE {db} SET default_transaction_read_only = off;"
    "ALTER DATABASE {db} SET search_path = 'a, b', public",
}


@pytest.fixture(scope="module")
def source(servers: ServerPool) -> RunningServer:
    server = servers.get(17, name="fenced", max_prepared_transactions=5)
    if server.psql("SELECT count(*) FROM pg_roles WHERE rolname = 'fence_owner'") == "0":
        server.psql(ROLES)
    return server


@pytest.fixture(scope="module")
def shared(source: RunningServer, servers: ServerPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with followed(source, servers.get(18), tmp_path_factory.mktemp("fence")) as found:
        yield found


@pytest.fixture
def shop(shared: Followed) -> Iterator[Followed]:
    shared.source_login = None
    before = shared.access()
    yield shared
    crossing = way(shared)
    reopen(crossing)
    assert shared.access() == before


def way(shop: Followed) -> Crossing:
    return crossing_to_target(shop.following())


def login(shop: Followed, role: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1", port=shop.source.port, dbname=shop.database, user=role, password="pw", autocommit=True
    )


@pytest.mark.parametrize("case", ACCESSES)
def test_a_superuser_leaves_every_byte_as_it_was(shop: Followed, case: str) -> None:
    shop.source.psql(ACCESSES[case].format(db=shop.database))
    before, crossing = shop.access(), way(shop)
    with closed_fence(crossing, note_access(crossing)):
        assert shop.access() != before
    assert reopen(crossing)
    assert shop.access() == before
    assert not reopen(crossing), "the note is gone"
    shop.source.psql(
        f"UPDATE pg_database SET datacl = NULL WHERE datname = '{shop.database}'; ALTER DATABASE {shop.database} RESET ALL"
    )


def test_nobody_but_the_portals_user_comes_in_and_nobody_stays(shop: Followed) -> None:
    shop.source.psql("GRANT ALL ON ALL TABLES IN SCHEMA public TO fence_app", database=shop.database)
    inside = login(shop, "fence_app")
    inside.execute("BEGIN; UPDATE accounts SET balance = 9 WHERE id = 1")
    crossing = way(shop)
    with closed_fence(crossing, note_access(crossing)) as fence:
        assert fence.sessions_ended == 1
        with pytest.raises(psycopg.OperationalError):
            inside.execute("COMMIT")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            login(shop, "fence_app")
        with shop.source.connect(shop.database) as superuser:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                superuser.execute("CREATE TABLE made_by_mistake ()")
            superuser.execute("SET default_transaction_read_only = off")
            superuser.execute("SET lock_timeout = '200ms'")
            for write in ("UPDATE accounts SET balance = 9 WHERE id = 1", "TRUNCATE scratch", "DROP TABLE sessions"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    superuser.execute(write.encode())
            assert superuser.execute("SELECT count(*) FROM accounts").fetchone() == (100,)
        fence.tables.check()
    reopen(crossing)
    with login(shop, "fence_app") as again:
        again.execute("UPDATE accounts SET balance = 0 WHERE id = 1")


def test_an_owner_who_is_no_superuser_closes_and_reopens(shop: Followed) -> None:
    """The default cannot be stored as "never granted" again by him; written out it means the same."""
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO fence_owner; ALTER SCHEMA public OWNER TO fence_owner;"
        "GRANT pg_signal_backend TO fence_owner",
        database=shop.database,
    )
    shop.source.psql(
        "".join(f"ALTER TABLE {name} OWNER TO fence_owner;" for name, _ in shop.tables), database=shop.database
    )
    shop.source_login = shop.source.endpoint(Side.SOURCE, user="fence_owner", password="pw")
    crossing = way(shop)
    inside = login(shop, "fence_app")
    with closed_fence(crossing, note_access(crossing)) as fence:
        assert fence.sessions_ended == 1
        assert not fence.tables.unlocked
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            login(shop, "fence_app")
    assert reopen(crossing)
    login(shop, "fence_app").close()
    assert shop.access() == "{=Tc/fence_owner,fence_owner=CTc/fence_owner}|"
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO postgres; REASSIGN OWNED BY fence_owner TO postgres;"
        f"REVOKE pg_signal_backend FROM fence_owner;",
        database=shop.database,
    )
    shop.source.psql(f"UPDATE pg_database SET datacl = NULL WHERE datname = '{shop.database}'")


def test_who_may_not_close_the_database_changes_nothing(shop: Followed) -> None:
    shop.source_login = shop.source.endpoint(Side.SOURCE, user="fence_app", password="pw")
    with pytest.raises(FenceRefused, match="may not close the database") as refused:
        note_access(way(shop))
    assert refused.value.hint == "Only the owner of the database may: grant postgres to fence_app."
    obstacles = look_at_readiness(way(shop), with_reverse=False, level=VerificationLevel.FULL).obstacles
    assert [each.saw for each in obstacles] == [
        f"fence_app may not close the database {shop.database}: it does not have the rights of its owner."
    ]


def test_a_prepared_transaction_is_named_and_refused(shop: Followed) -> None:
    shop.source.psql(
        "BEGIN; UPDATE accounts SET balance = 1 WHERE id = 2; PREPARE TRANSACTION 'half done'", database=shop.database
    )
    crossing = way(shop)
    (obstacle,) = look_at_readiness(crossing, with_reverse=False, level=VerificationLevel.FULL).obstacles
    assert "'half done' of role postgres, prepared at" in obstacle.saw
    with pytest.raises(FenceRefused, match="half done"), closed_fence(crossing, note_access(crossing)):
        pass
    reopen(crossing)
    shop.source.psql("ROLLBACK PREPARED 'half done'", database=shop.database)


def test_a_long_transaction_is_named(shop: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrations_app.engine.replication.readiness.LONG_TRANSACTION_SECONDS", 0.5)
    with shop.source.connect(shop.database, application_name="nightly job") as writer:
        writer.execute("BEGIN; UPDATE accounts SET balance = 3 WHERE id = 3; SELECT pg_sleep(1.6)")
        (obstacle,) = look_at_readiness(way(shop), with_reverse=False, level=VerificationLevel.FULL).obstacles
        writer.execute("ROLLBACK")
    for words in ("process", "of role postgres", "nightly job", "since", "UPDATE accounts SET balance = 3"):
        assert words in obstacle.saw


def test_who_holds_a_lock_is_named(shop: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator of the server whose session the owner of the database may not end."""
    monkeypatch.setattr("migrations_app.engine.replication.table_fence.LOCK_TIMEOUT_SECONDS", 0.5)
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO fence_owner; GRANT pg_signal_backend, pg_monitor TO fence_owner;"
        + "".join(f"ALTER TABLE {name} OWNER TO fence_owner;" for name, _ in shop.tables),
        database=shop.database,
    )
    shop.source_login = shop.source.endpoint(Side.SOURCE, user="fence_owner", password="pw")
    crossing = way(shop)
    with shop.source.connect(shop.database, application_name="admin") as admin:
        admin.execute("BEGIN; UPDATE accounts SET balance = 3 WHERE id = 3")
        with pytest.raises(WriterInTheWay) as blocked, closed_fence(crossing, note_access(crossing)):
            pass
        admin.execute("ROLLBACK")
    reopen(crossing)
    for words in ("(postgres) holds RowExclusiveLock on public.accounts", "UPDATE accounts"):
        assert words in blocked.value.message
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO postgres; REASSIGN OWNED BY fence_owner TO postgres;"
        f"REVOKE pg_signal_backend, pg_monitor FROM fence_owner;",
        database=shop.database,
    )
    shop.source.psql(f"UPDATE pg_database SET datacl = NULL WHERE datname = '{shop.database}'")


def test_tables_that_may_not_be_locked_are_watched(shop: Followed) -> None:
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO fence_owner; GRANT pg_signal_backend TO fence_owner;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO fence_owner;"
        + "".join(f"ALTER TABLE {name} OWNER TO fence_owner;" for name in ("accounts", "ledger", "sessions")),
        database=shop.database,
    )
    shop.source_login = shop.source.endpoint(Side.SOURCE, user="fence_owner", password="pw")
    crossing = way(shop)
    with closed_fence(crossing, note_access(crossing)) as fence:
        assert [table.name for table in fence.tables.unlocked] == ["scratch"]
        fence.tables.check()
        with shop.source.connect(shop.database) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute("INSERT INTO scratch VALUES ('behind', 1)")
        with pytest.raises(WriterInTheWay, match="public.scratch"):
            fence.tables.check()
    reopen(crossing)
    shop.source.psql(
        f"ALTER DATABASE {shop.database} OWNER TO postgres; REASSIGN OWNED BY fence_owner TO postgres;"
        f"REVOKE pg_signal_backend FROM fence_owner;",
        database=shop.database,
    )
    shop.source.psql(f"UPDATE pg_database SET datacl = NULL WHERE datname = '{shop.database}'")


def test_sessions_that_may_not_be_ended_are_named(shop: Followed) -> None:
    shop.source.psql(f"ALTER DATABASE {shop.database} OWNER TO fence_owner")
    shop.source_login = shop.source.endpoint(Side.SOURCE, user="fence_owner", password="pw")
    crossing = way(shop)
    with login(shop, "fence_app"):
        obstacles = look_at_readiness(crossing, with_reverse=False, level=VerificationLevel.FULL).obstacles
        assert obstacles[0].fix == "Run as an administrator: GRANT pg_signal_backend TO fence_owner;"
        with pytest.raises(FenceRefused, match="of role fence_app"), closed_fence(crossing, note_access(crossing)):
            pass
        reopen(crossing)
    assert crossing.direction is Direction.FORWARD
    shop.source.psql(f"ALTER DATABASE {shop.database} OWNER TO postgres")
    shop.source.psql(f"UPDATE pg_database SET datacl = NULL WHERE datname = '{shop.database}'")
    shop.online = OnlineOptions()
