"""What belongs to a database as a whole: owner, grants, comment, settings, labels, limit, being a template."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.providers_own import is_setting_of
from migrations_app.engine.roles.copy_roles import alter_setting
from migrations_app.engine.roles.source_roles import RoleSetting
from migrations_app.engine.spec import RolePolicy
from migrations_app.engine.target.database import read_properties

TEMPLATE, LIMIT = "template", "connection limit"  # notes of what is set when the database is complete


@dataclass(frozen=True)
class Property:
    """One property of the database: the statement, the role and the setting that it names, empty for none."""

    statement: sql.Composed
    role: str = ""
    setting: str = ""


def restore_database_settings(job: DatabaseJob) -> None:
    """Make the target database's own properties those of the source's; what is refused becomes a finding."""
    with job.source.connected(purpose="settings") as source:
        properties = _without_providers_own(job, _properties(job, source))
        labels = _labels(job, source)
    with job.target.connected(purpose="settings") as target:
        known = {row[0] for row in target.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
        for each in properties:
            if each.role and each.role not in known and job.spec.options.roles is RolePolicy.SKIP:
                continue  # told once for all objects of the role, as PM4003
            _run(job, target, each.statement)
    if labels:  # the database's own settings may be what loads their providers
        with job.target.connected(job.database.target_name, purpose="labels") as target:
            for statement in labels:
                _run(job, target, statement)
    _note_last_properties(job)


def _labels(job: DatabaseJob, source: Connection) -> list[sql.Composed]:
    rows = source.execute(
        "SELECT l.provider::text, l.label::text FROM pg_catalog.pg_shseclabel l"
        " JOIN pg_catalog.pg_database d ON d.oid = l.objoid AND l.classoid = 'pg_catalog.pg_database'::regclass"
        " WHERE d.datname = %s ORDER BY 1",
        (job.database.source_name,),
    )
    name = sql.Identifier(job.database.target_name)
    return [
        sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}").format(sql.Identifier(provider), name, sql.Literal(label))
        for provider, label in rows
    ]


def _note_last_properties(job: DatabaseJob) -> None:
    """A template or a limit of connections would be in our own way; until the end our notes remember them."""
    with job.source.connected(purpose="settings") as source:
        properties = read_properties(source, job.database.source_name)
    if properties is None:
        return
    with job.target.connected(job.database.target_name, purpose="settings") as target, target.transaction():
        job.markers.hold_on(target)
        job.markers.forget(target, kind="step", keys=[TEMPLATE, LIMIT])
        if properties.datistemplate:
            job.markers.add(target, kind="step", keys=[TEMPLATE])
        if properties.datconnlimit >= 0:
            job.markers.add(target, kind="step", keys=[LIMIT], detail=str(properties.datconnlimit))


def set_last_properties(job: DatabaseJob, notes: Connection) -> None:
    """Make the target database a template and limit its connections as the source's; ``notes`` is a session in it.

    Repeating it is harmless. A refusal becomes a finding.
    """
    noted, name = job.markers.read(notes, "step"), sql.Identifier(job.database.target_name)
    statements = []
    if LIMIT in noted:
        limit = sql.Literal(int(noted[LIMIT]))
        statements.append(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, limit))
    if TEMPLATE in noted:
        statements.append(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(name))
    if statements:
        with job.target.connected(purpose="settings") as target:
            for statement in statements:
                _run(job, target, statement)


def _without_providers_own(job: DatabaseJob, properties: list[Property]) -> list[Property]:
    """Leave out what names a role or a setting of the source's provider, and tell it once."""
    own = [each for each in properties if _is_own(job, each)]
    texts = [each.statement.as_string(None) + ";" for each in own]
    job.left_out(f"properties of {job.database.source_name}", texts, statements=texts, phase="constraints")
    return [each for each in properties if not _is_own(job, each)]


def _is_own(job: DatabaseJob, found: Property) -> bool:
    return job.provider_of(found.role) is not None or is_setting_of(job.source_provider, found.setting)


def _properties(job: DatabaseJob, source: Connection) -> list[Property]:
    """Return the properties in the order in which they are set."""
    properties = read_properties(source, job.database.source_name)
    if properties is None:
        return []
    name = sql.Identifier(job.database.target_name)
    owner = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(properties.owner))
    found = [Property(owner, role=properties.owner)]
    if properties.comment is not None:
        comment = sql.Literal(properties.comment)
        found.append(Property(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, comment)))
    found += _grants(job, source, name)
    for setting in fetch(source, "copied_role_settings", RoleSetting):
        if setting.database == job.database.source_name:
            statement = alter_setting(setting, database=job.database.target_name)
            found.append(Property(statement, role=setting.role, setting=setting.setting.partition("=")[0]))
    return found


def _grants(job: DatabaseJob, source: Connection, name: sql.Identifier) -> list[Property]:
    rows = source.execute(
        "SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END, x.privilege_type::text,"
        " x.is_grantable FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) x WHERE d.datname = %s"
        " ORDER BY 1, 2",
        (job.database.source_name,),
    ).fetchall()
    if not rows:
        return []
    found = [Property(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))]
    for grantee, privilege, grantable in rows:
        grant = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(privilege),
            name,
            sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION") if grantable else sql.SQL(""),
        )
        found.append(Property(grant, role=grantee))
    return found


def _run(job: DatabaseJob, target: Connection, statement: sql.Composed) -> None:
    try:
        target.execute(statement)
    except Error as error:
        if target.closed or job.control.stopping:
            raise
        job.find(
            "PM4008",
            Level.WARNING,
            f"database {job.database.target_name}",
            "A property of the database could not be restored.",
            why="Owner, grants or settings of the database differ from the source's.",
            fix="Run the statement on the target as a user who may.",
            fix_sql=statement.as_string(None) + ";",
            server_message=str(error).strip(),
            phase="constraints",
        )
