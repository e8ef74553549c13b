"""What an administrator who is no superuser meets on the target, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.events import CheckResult
from migrations_app.engine.schema import owners
from migrations_app.engine.spec import MigrationOption, RolePolicy, VerificationLevel
from tests.engine.moving import Move, Options
from tests.engine.validating import of_code
from tests.fixtures.providers import PlayedServer, conditions, play, playing
from tests.fixtures.servers import ServerPool

OWNED = """
CREATE ROLE {owner};
GRANT {owner} TO CURRENT_USER;
CREATE SCHEMA app;
CREATE TABLE app.t (id int PRIMARY KEY);
GRANT CREATE ON SCHEMA app TO {owner};
ALTER TABLE app.t OWNER TO {owner};
REVOKE CREATE ON SCHEMA app FROM {owner};
"""
Pair = tuple[PlayedServer, PlayedServer]


@pytest.fixture
def pair(servers: ServerPool) -> Pair:
    """A server of one's own (15) and a flexible server (18), shared by the tests of this file."""
    return play(servers, "self", 15, name="restricted"), play(servers, "azure", 18, name="restricted")


@pytest.fixture
def database(pair: Pair) -> Iterator[str]:
    """A database of the source's administrator; it is dropped on both servers at the end."""
    source, target = pair
    with source.fresh_database() as name:
        yield name
        target.server.drop_database(name)


def moving(pair: Pair, database: str, work_dir: Path, *, roles: RolePolicy = RolePolicy.COPY) -> Move:
    """Return the migration of one database as both administrators."""
    source, target = pair
    return Move(
        source.server,
        target.server,
        [database],
        work_dir,
        option=MigrationOption.MIGRATE,
        options=Options(jobs=2, roles=roles, verification=VerificationLevel.FULL),
        source_user=source.admin_login,
        target_user=target.admin_login,
    )


def test_schema_public_stays_with_azure_pg_admin(pair: Pair, database: str, tmp_path: Path) -> None:
    source, target = pair
    source.as_admin(
        "CREATE ROLE public_owner; GRANT public_owner TO CURRENT_USER; ALTER SCHEMA public OWNER TO public_owner;"
        "SET ROLE public_owner; CREATE TABLE public.t (id int)",
        database=database,
    )
    move = moving(pair, database, tmp_path)
    move.must_succeed()
    (finding,) = of_code(move.log.findings, "PM4024")
    assert "public_owner" in finding.saw and "azure_pg_admin" in finding.saw
    target.as_admin(finding.fix_sql, database=database)
    may_create = "SELECT has_schema_privilege('public_owner', 'public', 'CREATE'), nspowner::regrole FROM pg_namespace"
    assert target.superuser(f"{may_create} WHERE nspname = 'public'", database=database) == "t|azure_pg_admin"
    assert target.superuser("SELECT relowner::regrole FROM pg_class WHERE relname = 't'", database=database) == (
        "public_owner"
    )


@pytest.mark.parametrize("roles", [RolePolicy.COPY, RolePolicy.SKIP])
def test_an_owner_that_was_there_before_is_joined(pair: Pair, database: str, tmp_path: Path, roles: RolePolicy) -> None:
    """From 16 on who creates a role may administer it, but not give anything to it."""
    source, target = pair
    owner = f"there_before_{roles}"
    source.as_admin(OWNED.format(owner=owner), database=database)
    target.as_admin(f"CREATE ROLE {owner}")
    move = moving(pair, database, tmp_path, roles=roles)
    move.must_succeed()
    joined = f"Made azadmin a member of {owner} on the target, so that objects can be given to that role."
    # Copied memberships may lead there too: through the source's administrator, who became a role of azadmin's.
    assert joined in move.log.notes or roles is RolePolicy.COPY
    told = target.superuser("SELECT relowner::regrole FROM pg_class WHERE relname = 't'", database=database)
    assert told == owner


def test_the_right_to_create_is_lent_and_taken_back_by_the_next_run(
    pair: Pair, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair
    source.as_admin(OWNED.format(owner="borrower"), database=database)
    move = moving(pair, database, tmp_path)
    may_create = "SELECT has_schema_privilege('borrower', 'app', 'CREATE')"
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise LeaseLost("The test took the lease away.")

        patch.setattr(owners, "_take_back", die)
        with pytest.raises(LeaseLost):
            move.run()
    assert target.superuser(may_create, database=database) == "t"
    move.must_succeed()
    assert target.superuser(may_create, database=database) == "f"
    acl = target.superuser("SELECT nspacl FROM pg_namespace WHERE nspname = 'app'", database=database)
    assert "borrower" not in acl


@pytest.mark.parametrize("role", ["azure_pg_admin", "replication"])
def test_a_role_named_as_one_of_the_targets_provider_gives_nobody_its_rights(
    servers: ServerPool, tmp_path: Path, role: str
) -> None:
    """A source with a role azure_pg_admin may even be taken for a flexible server; one named replication is not."""
    target = play(servers, "azure", 18, name="restricted")
    with playing(servers, "self", 15) as source, source.fresh_database() as database:
        conditions.azure_role_in_a_grant(source, database, role=role)
        source.as_admin(f"CREATE ROLE member_of_{role}; GRANT {role} TO member_of_{role}")
        move = moving((source, target), database, tmp_path)
        move.must_succeed()
        assert [f.saw for f in move.log.findings if f.code in ("PM4021", "PM4022") and role in f.subject + f.saw]
        (grants,) = [f for f in of_code(move.log.findings, "PM4021") if "grants to its roles" in f.subject]
        assert "flexible server" in grants.subject and "of_azure" in grants.statement
        assert target.superuser(f"SELECT pg_has_role('member_of_{role}', '{role}', 'MEMBER')") == "f"
        if role == "replication":
            assert [finding.subject for finding in of_code(move.log.findings, "PM4022")] == ["role replication"]
        target.server.drop_database(database)


def test_a_comment_on_somebody_elses_extension_is_left_out(servers: ServerPool, tmp_path: Path) -> None:
    """An extension that came with the template belongs to the provider's superuser."""
    source = play(servers, "self", 15, name="restricted")
    with playing(servers, "azure", 18) as target, source.fresh_database() as database:
        target.superuser("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        target.superuser("CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore", database="template0")
        source.as_admin(
            "CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore; COMMENT ON EXTENSION pgcrypto IS 'our ''secrets'''",
            database=database,
        )
        move = moving((source, target), database, tmp_path)
        (outcome,) = move.must_succeed().databases
        (finding,) = of_code(move.log.findings, "PM4025")
    assert outcome.verified == CheckResult.IDENTICAL
    assert finding.subject == "extension pgcrypto"
    assert "our ''secrets''" in finding.fix_sql


def test_schemas_of_the_provider_are_neither_copied_nor_compared(servers: ServerPool, tmp_path: Path) -> None:
    """Supabase keeps logins, files and jobs in schemas of its own."""
    target = play(servers, "self", 18, name="restricted")
    with playing(servers, "self", 15) as source, source.fresh_database() as database:
        source.superuser("CREATE ROLE supabase_admin; CREATE ROLE authenticator; CREATE ROLE supabase_auth_admin")
        source.superuser(
            "CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin; CREATE TABLE auth.users (id serial PRIMARY KEY);"
            "CREATE MATERIALIZED VIEW auth.counted AS SELECT count(*) FROM auth.users;"
            "GRANT USAGE ON SCHEMA auth TO dba",
            database=database,
        )
        source.as_admin(
            "CREATE TABLE public.mine (id serial PRIMARY KEY); INSERT INTO public.mine SELECT FROM generate_series(1, 9);"
            "GRANT SELECT ON public.mine TO authenticator",
            database=database,
        )
        move = moving((source, target), database, tmp_path)
        (outcome,) = move.must_succeed().databases
        told = [finding.subject for finding in of_code(move.log.findings, "PM4021")]
        assert {"Supabase: schemas", "Supabase: roles", "Supabase: grants to its roles"} == set(told)
        assert outcome.verified == CheckResult.IDENTICAL
        assert (
            target.superuser("SELECT to_regnamespace('auth') IS NULL, count(*) FROM mine", database=database) == "t|9"
        )
        target.server.drop_database(database)
