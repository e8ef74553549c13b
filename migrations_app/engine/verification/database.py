"""The verification of one database, as a table of contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from migrations_app.engine.control import Control
from migrations_app.engine.events import CheckResult, Note
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres import Connection, Error, Server
from migrations_app.engine.providers import Provider
from migrations_app.engine.providers.fingerprint import recognize
from migrations_app.engine.providers_own import is_role_of
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec, RolePolicy, VerificationLevel
from migrations_app.engine.verification.access import MAINTAIN, AccessRules
from migrations_app.engine.verification.catalog import AsIf, as_it_is, verify_catalog
from migrations_app.engine.verification.columns import TableName
from migrations_app.engine.verification.context import Verification
from migrations_app.engine.verification.digest import TableDigest
from migrations_app.engine.verification.digest_method import choose_method, read_traits
from migrations_app.engine.verification.large_objects import LargeObjectsDigest, verify_large_objects
from migrations_app.engine.verification.query_files import query
from migrations_app.engine.verification.scope import Scope
from migrations_app.engine.verification.sequences import SequenceName, SequenceState, verify_sequences
from migrations_app.engine.verification.tables import verify_tables
from migrations_app.engine.verification.unproved import Unproved
from migrations_app.engine.verification.verdicts import Verdicts

MAINTAIN_SINCE = 17


def verify_database(
    spec: MigrationSpec,
    database: DatabaseSpec,
    source: Server,
    target: Server,
    tables: Sequence[TablePlan],
    source_digests: Mapping[TableName, TableDigest],
    level: VerificationLevel,
    reporter: Reporter,
    control: Control,
    jobs: int,
    *,
    source_sequences: Mapping[SequenceName, SequenceState] | None = None,
    source_large_objects: LargeObjectsDigest | None = None,
    on_unproved: Callable[[Unproved], None] | None = None,
    as_if: AsIf = as_it_is,
) -> CheckResult:
    """Compare one database on both servers, report every object, return the worst result.

    ``source_digests`` were taken with ``hash_table`` in the copy's snapshot. Sequences and large objects are compared
    with what was read then, if given, else with the source as it is now; the catalog always with the source as it is
    now, each object taken for what ``as_if`` makes of it. What a server refuses to tell is ``could_not_verify`` with
    its message. ``on_unproved`` is called once, at the end, with what a new copy may mend. Raises ``ConnectionLost``,
    ``Stopped``.
    """
    verdicts = Verdicts(reporter, database_id=database.id)
    with (
        source.connected(database.source_name, purpose="verify") as before,
        target.connected(database.target_name, purpose="verify", read_only=True) as after,
    ):
        method = choose_method(source=read_traits(before), target=read_traits(after), level=level)
        verification = Verification(
            database, source, target, level, spec.options.roles, method, max(1, jobs), verdicts, control
        )
        access = read_access_rules(before, after, spec=spec)
        scope = read_scope(before, database, provider=access.source_provider)
        _tell_about_missing_roles(reporter, database, access)
    unproved = verify_tables(verification, tables=tables, source_digests=source_digests)
    large_objects: list[int] = []
    _step(
        verification,
        "sequences",
        lambda one, other: verify_sequences(one, other, scope=scope, verdicts=verdicts, expected=source_sequences),
    )
    _step(
        verification,
        "large objects",
        lambda one, other: verify_large_objects(
            one,
            other,
            method=method,
            access=access,
            verdicts=verdicts,
            control=control,
            expected=source_large_objects,
            differing=large_objects,
        ),
    )
    _step(
        verification,
        "catalog",
        lambda one, other: verify_catalog(
            one, other, scope=scope, access=access, verdicts=verdicts, control=control, as_if=as_if
        ),
    )
    if on_unproved is not None:
        on_unproved(replace(unproved, large_objects=large_objects))
    return verdicts.worst


def _step(verification: Verification, name: str, compare: Callable[[Connection, Connection], None]) -> None:
    """Run one comparison with a connection to each side; an error of a server is a comparison that was not made."""
    verification.control.check()
    database = verification.database
    with (
        verification.source.connected(database.source_name, purpose="verify") as source,
        verification.target.connected(database.target_name, purpose="verify", read_only=False) as target,
    ):
        try:
            compare(source, target)
        except Error as error:
            verification.control.check()
            if source.closed or target.closed:
                raise
            verification.verdicts.could_not(name, "all", because=error)


def read_scope(source: Connection, database: DatabaseSpec, *, provider: Provider) -> Scope:
    """Return what of the database is compared."""
    rows = source.execute(query("relations")).fetchall()
    relations = [(row[0], row[1]) for row in rows if row[1] is not None]
    schemas = {row[0] for row in rows}
    own = {schema for schema in schemas if provider.owns_schema(schema)}
    return Scope(database.selection, relations=relations, schemas=schemas, own_schemas=own)


def read_access_rules(source: Connection, target: Connection, *, spec: MigrationSpec) -> AccessRules:
    """Return how owners and grants are compared: roles that were not to be copied, privileges that 17 added."""
    names = "SELECT rolname::text FROM pg_catalog.pg_roles"
    of_source, of_target = ({row[0] for row in connection.execute(names)} for connection in (source, target))
    before = recognize(source, host=spec.source.host).provider
    after = recognize(target, host=spec.target.host).provider
    own = {role for role in of_source if is_role_of(before, role)}
    own |= {role for role in of_target if is_role_of(after, role)}
    versions = [connection.info.server_version // 10000 for connection in (source, target)]
    return AccessRules(
        missing_roles=of_source - of_target - own if spec.options.roles is RolePolicy.SKIP else (),
        unknown_privileges=(MAINTAIN,) if min(versions) < MAINTAIN_SINCE else (),
        roles_are_copied=spec.options.roles is not RolePolicy.SKIP,
        provider_roles=own,
        source_provider=before,
        target_provider=after,
    )


def _tell_about_missing_roles(reporter: Reporter, database: DatabaseSpec, access: AccessRules) -> None:
    if access.provider_roles:
        names = ", ".join(sorted(access.provider_roles))
        message = f"Owners, grants and event triggers of the providers' own roles are not compared: {names}."
        reporter.report(Note(message, database_id=database.id))
    if access.missing_roles:
        names = ", ".join(sorted(access.missing_roles))
        message = f"Owners and grants of roles that were not copied are not compared: {names}."
        reporter.report(Note(message, database_id=database.id))
