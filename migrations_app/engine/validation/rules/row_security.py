"""Rules about rows that policies hide from the source user, and how to see them where nobody is a superuser."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.validation.catalog import RelationRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.remedies import Fix
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped, statement

ROWS_HIDDEN = code(
    "PM2001",
    Level.FAILED,
    "Row-level security hides rows from the source user",
    why="Without BYPASSRLS or ownership a table with policies shows only some of its rows, or none: the portal reads "
    "with row_security off and would end with an error rather than lose them, whatever policies the user has.",
    side=FindingSide.SOURCE,
)


@database_rule(ROWS_HIDDEN)
def rows_behind_policies(context: DatabaseContext) -> Iterator[Finding]:
    """No policy hides rows of the migration from the source user."""
    fix = _by_attribute if context.source.provider.self_hosted else _by_ownership
    findings = [
        ROWS_HIDDEN.found(
            f"Table {row.label}",
            saw=f"Row-level security is on for the table, and {context.source.user} is subject to its policies"
            + (", as is its owner (FORCE ROW LEVEL SECURITY)." if row.forces_row_security else "."),
            **fix(context, row),
        )
        for row in context.tables
        if row.hides_rows
    ]
    yield from capped(findings, ROWS_HIDDEN, what="tables")


def _by_attribute(context: DatabaseContext, row: RelationRow) -> Fix:
    """Only a superuser gives BYPASSRLS, and from PostgreSQL 16 on who has it."""
    return Fix(
        fix="Run the script on the source as a superuser. Where BYPASSRLS cannot be given, become a member of the "
        f"owner instead (GRANT {row.owner}), which is enough unless the table has FORCE ROW LEVEL SECURITY.",
        fix_sql=statement("ALTER ROLE {} BYPASSRLS;", context.source.user),
    )


def _by_ownership(context: DatabaseContext, row: RelationRow) -> Fix:
    """Services give nobody a superuser: the user gets the rights of the owner, whom policies do not concern."""
    provider, user = context.source.provider, context.source.user
    words = [f"{provider.name} gives nobody a superuser who could give BYPASSRLS."]
    if not row.has_rights_of_owner:
        words.append(
            f"By the script {user} gets the rights of {row.owner}, whom the policies do not concern. Run it on the "
            f"source as an administrator"
            + (f" who made {row.owner} or has it WITH ADMIN OPTION." if context.source.facts.major >= 16 else ".")
        )
    else:
        words.append(f"Run the script on the source, in database {context.database.source_name}, as {user}.")
    if row.forces_row_security:
        words.append(
            "Until it is set again, sessions of the owner see every row: end those of applications before. After the "
            "migration set it on both servers (ALTER TABLE … FORCE ROW LEVEL SECURITY), as it is copied as it is now."
        )
    return Fix(fix=" ".join([*words, provider.bypass_rls]).strip(), fix_sql="\n".join(_rights(context, row)))


def _rights(context: DatabaseContext, row: RelationRow) -> Iterator[str]:
    user = context.source.user
    if not row.has_rights_of_owner:
        if context.source.facts.major >= 16:
            yield statement("GRANT {} TO {} WITH INHERIT TRUE;", row.owner, user)
        else:
            yield statement("GRANT {} TO {};", row.owner, user)
            if not context.source.roles[user].inherit:
                yield statement("ALTER ROLE {} INHERIT;", user)
    if row.forces_row_security:
        yield statement("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY;", row.qualified)
