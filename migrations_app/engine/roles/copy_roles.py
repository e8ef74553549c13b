"""Create the source's roles on the target: attributes, passwords, memberships, settings, security labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from migrations_app.engine.events import FindingRaised, Note
from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres import Connection, Error, Server, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.providers.fingerprint import recognize
from migrations_app.engine.providers_own import is_setting_of, left_out
from migrations_app.engine.roles.source_roles import Membership, Role, RoleLabel, RoleSetting, SourceRoles, read_roles
from migrations_app.engine.spec import RolePolicy
from migrations_app.engine.validation.wording import counted

SUPERUSER_ONLY = ("superuser", "replication", "bypassrls")


def copy_roles(source: Server, target: Server, *, policy: RolePolicy, reporter: Reporter) -> None:
    """Create missing roles; a role that exists on the target keeps its attributes and password.

    Raises ``ConnectionFailed`` or ``ConnectionLost``; a role that is refused becomes a finding. Safe to repeat.
    """
    if policy is RolePolicy.SKIP:
        reporter.report(Note("Roles are not copied, as chosen."))
        return
    with source.connected(purpose="roles") as connection:
        found = read_roles(connection, host=source.endpoint.host, with_passwords=policy is RolePolicy.COPY)
    with target.connected(purpose="roles") as connection:
        found = found.without_roles_of(recognize(connection, host=target.endpoint.host).provider)
        _RoleWriter(connection, found, reporter=reporter, policy=policy).write()


class _RoleWriter:
    def __init__(self, connection: Connection, found: SourceRoles, *, reporter: Reporter, policy: RolePolicy) -> None:
        self._connection = connection
        self._found = found
        self._reporter = reporter
        self._policy = policy
        row = connection.execute(
            "SELECT rolsuper, rolreplication, rolbypassrls, rolname::text FROM pg_roles WHERE rolname = current_user"
        ).fetchone() or (False, False, False, "")
        self._is_superuser, self._me = bool(row[0]), str(row[3])
        self._may_give = set(SUPERUSER_ONLY) if self._is_superuser else set()
        if connection.info.server_version >= 160000:
            # From 16 on who has an attribute and CREATEROLE may give it, SUPERUSER excepted.
            self._may_give |= {word for word, has in zip(SUPERUSER_ONLY[1:], row[1:3], strict=True) if has}

    def write(self) -> None:
        existing = {row[0] for row in self._connection.execute("SELECT rolname::text FROM pg_roles")}
        created = [role for role in self._found.roles if role.name not in existing and self._create_whole(role)]
        for membership in self._found.memberships:
            if not self._is_mine(membership):
                self._run(membership.member, self._grant(membership))
        self._set_for_all_roles()
        self._label()
        self._tell(created)
        self._tell_of_providers_own()

    def _is_mine(self, found: Membership) -> bool:
        """Tell whether our user is the member and has ADMIN already: 16 refuses to give that back to its grantor."""
        if found.member != self._me or self._is_superuser:
            return False
        statement = "SELECT pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION') FROM pg_roles WHERE rolname = %s"
        return self._connection.execute(statement, (found.role,)).fetchone() == (True,)

    def _tell_of_providers_own(self) -> None:
        """What belongs to the provider stays behind: its roles, and what its roles gave to others."""
        found = self._found
        memberships = [f"{each.member} in {each.role}" for each in found.own_memberships]
        revived = [
            sql.SQL("GRANT {} TO {};").format(sql.Identifier(each.role), sql.Identifier(each.member)).as_string(None)
            for each in found.own_memberships
        ]
        if found.own_roles:
            self._report(left_out(found.provider, "roles", found.own_roles, phase="roles"))
        if memberships:
            self._report(
                left_out(found.provider, "memberships in its roles", memberships, statements=revived, phase="roles")
            )
        settings = [each.setting for each in found.settings if not each.role and not each.database]
        own_settings = [each for each in settings if is_setting_of(found.provider, each.partition("=")[0])]
        if own_settings:
            self._report(left_out(found.provider, "settings of all roles", own_settings, phase="roles"))
        for role in found.roles_of_target:
            self._find(
                "PM4022",
                Level.INFO,
                f"role {role}",
                "The source has a role of this name; on the target it is the provider's. Nothing was given to it, "
                "and nobody was made its member.",
                why="Its members would become administrators of the target, or the target would refuse them.",
                fix="Grant its members on the target what they need, by a role of another name.",
            )

    def _set_for_all_roles(self) -> None:
        """Copy what ALTER ROLE ALL set on the source; what the target has set itself stays as it is."""
        existing = dict(
            found.setting.split("=", 1)
            for found in fetch(self._connection, "copied_role_settings", RoleSetting)
            if not found.role and not found.database
        )
        for setting in self._found.settings:
            name, _, value = setting.setting.partition("=")
            if setting.role or setting.database or existing.get(name) == value:
                continue
            if is_setting_of(self._found.provider, name):
                continue  # told with all that is the provider's own
            statement = alter_setting(setting)
            if name in existing:
                self._tell_setting(name, f"The target sets {existing[name]}; that was left as it is.", statement)
            elif refusal := self._refusal(statement):
                self._tell_setting(name, "The target refused to set it.", statement, refusal)

    def _tell_setting(self, name: str, saw: str, statement: sql.Composed, server_message: str = "") -> None:
        self._find(
            "PM4014",
            Level.WARNING,
            f"setting {name} of all roles",
            saw,
            why="The source sets it for every role in every database (ALTER ROLE ALL); sessions on the target differ.",
            fix="If it is right for every database of the target, run the statement there as a superuser.",
            fix_sql=statement.as_string(None) + ";",
            server_message=server_message,
        )

    def _label(self) -> None:
        """Give roles their security labels; a label that a role of the target has already stays as it is."""
        existing = {(label.role, label.provider) for label in fetch(self._connection, "copied_role_labels", RoleLabel)}
        refused: dict[str, list[tuple[sql.Composed, str]]] = defaultdict(list)
        for label in self._found.labels:
            if (label.role, label.provider) in existing:
                continue
            statement = sql.SQL("SECURITY LABEL FOR {} ON ROLE {} IS {}").format(
                sql.Identifier(label.provider), sql.Identifier(label.role), sql.Literal(label.label)
            )
            if refusal := self._refusal(statement):
                refused[label.provider].append((statement, refusal))
        for provider, refusals in refused.items():
            self._find(
                "PM4015",
                Level.WARNING,
                f"security labels of roles by {provider}",
                f"The target refused {counted(len(refusals), 'label')}.",
                why="What the provider of labels does for these roles on the source, it does not on the target.",
                fix="Load the provider on the target (shared_preload_libraries), then run the script there.",
                fix_sql="\n".join(statement.as_string(None) + ";" for statement, _ in refusals),
                server_message=refusals[0][1],
            )

    def _tell(self, created: Iterable[Role]) -> None:
        names = [role.name for role in created]
        self._reporter.report(Note(f"Created {len(names)} of {len(self._found.roles)} roles on the target."))
        without = [role.name for role in created if role.login and role.name not in (self._found.passwords or {})]
        if without:
            saw = self._why_without_password()
            self._find(
                "PM4006",
                Level.WARNING,
                f"{len(without)} roles without a password: {', '.join(without[:20])}",
                saw,
                why="Applications that log in as these roles are refused until a password is set on the target.",
                fix="Set a password for each of them on the target.",
                fix_sql="\n".join(
                    sql.SQL("ALTER ROLE {} PASSWORD '…';").format(sql.Identifier(name)).as_string(None)
                    for name in without
                ),
            )

    def _why_without_password(self) -> str:
        if self._policy is not RolePolicy.COPY:
            return "Passwords were not copied, as chosen."
        if self._found.passwords is None:
            return "The source does not let its user read password hashes."
        return "They have no password on the source either."

    def _create_whole(self, role: Role) -> bool:
        """Create a role with all that belongs to it, in one transaction: a role that exists is never half made."""
        with self._connection.transaction():
            if not self._create(role):
                return False
            for setting in self._found.settings:
                if not setting.database and setting.role == role.name:
                    self._run(role.name, alter_setting(setting))
            return True

    def _create(self, role: Role) -> bool:
        stripped = [word for word in SUPERUSER_ONLY if getattr(role, word) and word not in self._may_give]
        if stripped:
            self._find(
                "PM4007",
                Level.WARNING,
                f"role {role.name}",
                f"Created without {', '.join(word.upper() for word in stripped)}: the target's user may not give that.",
                why="The role can do less on the target than on the source.",
                fix="Give it what the target's provider offers instead, such as membership in its administrator role.",
            )
        if not self._run(role.name, self._create_statement(role, without=stripped), secret=True):
            return False
        if not self._is_superuser:
            # From 16 on the creator gets ADMIN but may not act as the role: ALTER … OWNER TO needs that.
            self._run(role.name, sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role.name)))
        if role.comment is not None:
            comment = sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role.name), sql.Literal(role.comment))
            self._run(role.name, comment)
        return True

    def _create_statement(self, role: Role, *, without: list[str]) -> sql.Composed:
        words = [
            sql.SQL(word if value and word.lower() not in without else f"NO{word}")
            for word, value in (
                ("INHERIT", role.inherit),
                ("CREATEROLE", role.createrole),
                ("CREATEDB", role.createdb),
                ("LOGIN", role.login),
                *((word.upper(), getattr(role, word)) for word in SUPERUSER_ONLY if word in self._may_give),
            )
        ]
        options: list[sql.Composable] = [*words]
        if role.connection_limit != -1:
            options.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(role.connection_limit)))
        if role.valid_until is not None:
            options.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(role.valid_until)))
        password = (self._found.passwords or {}).get(role.name)
        if password is not None:
            options.append(sql.SQL("PASSWORD {}").format(sql.Literal(password)))
        return sql.SQL("CREATE ROLE {} WITH {}").format(sql.Identifier(role.name), sql.SQL(" ").join(options))

    def _grant(self, found: Membership) -> sql.Composed:
        options = [sql.SQL("ADMIN OPTION")] if found.admin else []
        if self._connection.info.server_version >= 160000 and found.inherit is not None:
            options = [
                sql.SQL("ADMIN TRUE" if found.admin else "ADMIN FALSE"),
                sql.SQL("INHERIT TRUE" if found.inherit else "INHERIT FALSE"),
                sql.SQL("SET TRUE" if found.may_set else "SET FALSE"),
            ]
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(found.role), sql.Identifier(found.member))
        return grant + sql.SQL(" WITH ") + sql.SQL(", ").join(options) if options else grant

    def _run(self, name: str, statement: sql.Composed, *, secret: bool = False) -> bool:
        """Run one statement; a refusal becomes a finding, which never shows a statement with a password in it."""
        refusal = self._refusal(statement)
        if refusal:
            self._find(
                "PM4004",
                Level.WARNING,
                f"role {name}",
                "The target refused to create or change the role.",
                why="Objects and grants of this role cannot be restored as they are.",
                fix="Create the role on the target by hand, or grant the migration's user the right to, then resume.",
                fix_sql="" if secret else statement.as_string(None) + ";",
                server_message=refusal,
            )
        return not refusal

    def _refusal(self, statement: sql.Composed) -> str:
        """Run one statement; return why the server refused it, or nothing."""
        try:
            with self._connection.transaction():
                self._connection.execute(statement)
        except Error as error:
            if self._connection.closed:
                raise
            return str(error).strip().splitlines()[0]
        return ""

    def _find(
        self,
        code: str,
        level: Level,
        subject: str,
        saw: str,
        *,
        why: str,
        fix: str,
        fix_sql: str = "",
        server_message: str = "",
    ) -> None:
        finding = Finding(
            code,
            level,
            subject,
            saw,
            why=why,
            fix=fix,
            fix_sql=fix_sql,
            server_message=server_message,
            phase="roles",
            side=FindingSide.TARGET,
        )
        self._report(finding)

    def _report(self, finding: Finding) -> None:
        self._reporter.report(FindingRaised(finding))


def alter_setting(setting: RoleSetting, *, database: str = "") -> sql.Composed:
    """Return ALTER ROLE, ALTER DATABASE or ALTER ROLE ALL … SET for one setting, in ``database`` if given."""
    name, _, value = setting.setting.partition("=")
    if setting.role and database:
        head = sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(setting.role), sql.Identifier(database))
    elif setting.role:
        head = sql.SQL("ALTER ROLE {}").format(sql.Identifier(setting.role))
    elif database:
        head = sql.SQL("ALTER DATABASE {}").format(sql.Identifier(database))
    else:
        head = sql.SQL("ALTER ROLE ALL").format()
    return sql.SQL("{} SET {} = {}").format(head, _parameter(name), _value(name, value))


def _parameter(name: str) -> sql.Composed:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))


# Parameters that hold a list of names; quoting the list as one word would change it (pg_dump does the same).
LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


def _value(name: str, value: str) -> sql.Composable:
    if name.lower() in LISTS:
        return sql.SQL(", ").join(sql.Literal(part.strip().strip('"').replace('""', '"')) for part in value.split(","))
    return sql.Literal(value)
