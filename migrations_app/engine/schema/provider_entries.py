"""Leave out of a dump what is the source provider's own, and tell it by name, once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection
from migrations_app.engine.providers_own import OWNER_NOT_COPIED, SHOWN, SYSTEM_GRANTS
from migrations_app.engine.schema.dump import SchemaDump
from migrations_app.engine.schema.grants import roles_in
from migrations_app.engine.schema.toc import TocEntry, unquoted

GRANT_TYPES = ("ACL", "DEFAULT ACL")
ABOUT_TYPES = ("ACL", "COMMENT", "SECURITY LABEL")
# The remarks on an object, and the grants on a schema, name it in their own name: src/bin/pg_dump/pg_dump.c
NAMED_BY_KIND = re.compile(r"^(EVENT TRIGGER|EXTENSION|SCHEMA) (.*)$", re.DOTALL)
SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")

# Schemas that an extension made come and go with it.
EXTENSION_SCHEMAS = """
SELECT n.nspname::text
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_namespace n ON n.oid = d.objid
JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND x.extname = ANY (%s)
"""


def schemas_of_extensions(job: DatabaseJob, source: Connection) -> set[str]:
    """Return the schemas of the source database that the provider's own extensions made."""
    names = [row[0] for row in source.execute("SELECT extname::text FROM pg_catalog.pg_extension")]
    own = [name for name in names if job.source_provider.owns_extension(name)]
    return {row[0] for row in source.execute(EXTENSION_SCHEMAS, (own,))}


def without_providers_own(job: DatabaseJob, dump: SchemaDump, *, schemas: Collection[str]) -> SchemaDump:
    """Return the dump without the source provider's objects, without grants to its roles, and without its owners.

    ``schemas`` are the provider's: what is granted or remarked there is left out too.
    """
    filter_ = _Filter(job, schemas=schemas)
    kept = SchemaDump(tuple(filter_.kept(dump.pre_data)), tuple(filter_.kept(dump.post_data)))
    filter_.tell()
    return kept


class _Filter:
    """Takes entries, keeps what is the customer's, and remembers the rest by kind."""

    def __init__(self, job: DatabaseJob, *, schemas: Collection[str]) -> None:
        self._job = job
        self._provider = job.source_provider
        self._schemas = schemas
        self._event_triggers: list[str] = []
        self._objects: dict[str, list[TocEntry]] = defaultdict(list)
        self._grants: dict[str, list[bytes]] = defaultdict(list)
        self._system_grants: list[tuple[TocEntry, bytes]] = []
        self._owned: dict[str, list[TocEntry]] = defaultdict(list)

    def kept(self, entries: Iterable[TocEntry]) -> list[TocEntry]:
        """Return the entries that are copied, in their order."""
        entries = list(entries)
        self._event_triggers += [e.name for e in entries if e.type == "EVENT TRIGGER" and self._is_own_role(e.owner)]
        found = []
        for entry in entries:
            if kind := self._own_kind(entry):
                self._objects[kind].append(entry)
            elif entry.type in GRANT_TYPES:
                entry = self._with_kept_grants(entry)
                found += [entry] if entry.sql else []
            else:
                found.append(self._with_kept_owner(entry))
        return found

    def _is_own_role(self, role: str) -> bool:
        return self._job.provider_of(role) is not None

    def _own_kind(self, entry: TocEntry) -> str:
        """Return what kind of the provider's objects the entry makes or speaks of; empty if it is the customer's."""
        kind, name = entry.type, entry.name
        if entry.type in ABOUT_TYPES and (about := NAMED_BY_KIND.match(entry.name)):
            kind, name = about[1], unquoted(about[2])
        if kind == "EVENT TRIGGER":
            return "event triggers" if name in self._event_triggers else ""
        if kind == "EXTENSION":
            return "extensions" if self._provider.owns_extension(name) else ""
        return "grants on its objects" if (name if kind == "SCHEMA" else entry.schema) in self._schemas else ""

    def _with_kept_grants(self, entry: TocEntry) -> TocEntry:
        lines = []
        for line in entry.sql.split(b"\n"):
            own = [role for role in roles_in(line, codec=self._job.codec) if self._is_own_role(role)]
            if own:
                self._grants[own[0]].append(line)
            elif entry.schema in SYSTEM_SCHEMAS and not self._may_grant_on_the_system:
                self._system_grants += [(entry, line)] if line.strip() else []
            else:
                lines.append(line)
        return replace(entry, sql=b"\n".join(lines).strip())

    @property
    def _may_grant_on_the_system(self) -> bool:
        """PostgreSQL's own objects belong to a superuser; how a managed service grants them is its own business."""
        return self._job.target_is_superuser

    def _with_kept_owner(self, entry: TocEntry) -> TocEntry:
        if not entry.owner_sql or not self._is_own_role(entry.owner):
            return entry
        self._owned[entry.owner].append(entry)
        return replace(entry, owner="", owner_sql=b"")

    def tell(self) -> None:
        """Report what was left out."""
        for noun, entries in self._objects.items():
            made = [entry.name for entry in entries if entry.type not in ABOUT_TYPES]
            names, statements = made or [entry.label for entry in entries], [entry.text for entry in entries]
            self._job.left_out(noun, names, statements=statements, phase="schema")
        for provider in dict.fromkeys((self._job.source_provider, self._job.target_provider)):
            grants = {role: lines for role, lines in self._grants.items() if self._job.provider_of(role) == provider}
            statements = [line.decode(self._job.codec, errors="replace") for lines in grants.values() for line in lines]
            self._job.left_out(
                "grants to its roles", sorted(grants), statements=statements, phase="schema", provider=provider
            )
        for role, entries in self._owned.items():
            _tell_owned(self._job, role, entries)
        _tell_system_grants(self._job, self._system_grants)


def _tell_owned(job: DatabaseJob, role: str, entries: list[TocEntry]) -> None:
    provider, user = (job.provider_of(role) or job.source_provider).name, job.target.endpoint.user
    more = f" and {len(entries) - SHOWN:,} more" if len(entries) > SHOWN else ""
    job.find(
        OWNER_NOT_COPIED,
        Level.INFO,
        f"role {role}",
        f"It belongs to {provider} and is not copied, so what it owns on the source belongs to {user} on the target: "
        f"{', '.join(entry.label for entry in entries[:SHOWN])}{more}.",
        why="A provider's own role does not exist elsewhere, or means something else there.",
        fix="Give the objects to a role of your own on the target, if one should own them.",
        phase="schema",
    )


def _tell_system_grants(job: DatabaseJob, lines: list[tuple[TocEntry, bytes]]) -> None:
    """A grant to a role of the customer's own is missed; a right taken from PUBLIC is the provider's own business."""
    missed = [(entry, line) for entry, line in lines if line.startswith(b"GRANT") and roles_in(line, codec=job.codec)]
    if not lines:
        return
    script = "\n".join(line.decode(job.codec, errors="replace") for _, line in missed or lines)
    names = list(dict.fromkeys(entry.name for entry, _ in missed or lines))
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    job.find(
        SYSTEM_GRANTS,
        Level.WARNING if missed else Level.INFO,
        "grants on PostgreSQL's own objects",
        f"Left out, because only a superuser may give them on the target: {', '.join(names[:SHOWN])}{more}.",
        why="Applications that rely on such a grant will miss it." if missed else "They are the server's own settings.",
        fix="Run the script in the target database as a superuser, or use a role such as pg_monitor that the target's "
        "provider offers instead."
        if missed
        else "Nothing has to be done.",
        fix_sql=script if missed else "",
        statement="" if missed else script,
        phase="schema",
    )
