"""Grants to roles that the target does not have: left out one by one, told once for each role."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.schema.toc import TocEntry, unquoted

NAME = rb'("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
# pg_dump writes each grant on a line of its own, with the role at its end: src/bin/pg_dump/dumputils.c
ROLE_OF_GRANT = re.compile(rb"\b(?:TO|FROM) (?:GROUP )?" + NAME + rb"(?: WITH GRANT OPTION)?;$")
ROLE_OF_DEFAULTS = re.compile(rb"^ALTER DEFAULT PRIVILEGES FOR ROLE " + NAME)
ROLE_OF_SESSION = re.compile(rb"^SET SESSION AUTHORIZATION " + NAME + rb";$")

RESET_SESSION, RESET_ROLE = b"RESET SESSION AUTHORIZATION;", b"RESET ROLE;"


def without_missing_roles(job: DatabaseJob, entries: Sequence[TocEntry], *, known: Collection[str]) -> list[TocEntry]:
    """Return the entries without statements that name a role the target does not have; report those by role."""
    left_out: dict[str, list[bytes]] = defaultdict(list)
    kept = []
    for entry in entries:
        lines = []
        for line in entry.sql.split(b"\n"):
            missing = [role for role in roles_in(line, codec=job.codec) if role not in known]
            for role in missing:
                left_out[role].append(line)
            if not missing:
                lines.append(line)
        kept.append(replace(entry, sql=b"\n".join(lines).strip()))
    for role, statements in left_out.items():
        _report(job, role, statements)
    return [entry for entry in kept if entry.sql]


def made_by_roles(entry: TocEntry, *, codec: str, roles: Collection[str]) -> TocEntry:
    """Return the entry for a user who is no superuser, and so may not take over the session of another grantor.

    The user acts as the grantor where it may, and else grants by itself: the grantee's rights are the same.
    """
    lines = []
    for line in entry.sql.split(b"\n"):
        if session := ROLE_OF_SESSION.match(line):
            may_become = unquoted(session.group(1).decode(codec)) in roles
            lines += [b"SET ROLE " + session.group(1) + b";"] if may_become else []
        else:
            lines.append(RESET_ROLE if line == RESET_SESSION else line)
    return replace(entry, sql=b"\n".join(lines))


def roles_in(line: bytes, *, codec: str) -> list[str]:
    """Return the roles that a line of a dump's grants names; PUBLIC is no role."""
    found = [pattern.search(line) for pattern in (ROLE_OF_GRANT, ROLE_OF_DEFAULTS, ROLE_OF_SESSION)]
    names = [match.group(1) for match in found if match]
    return [unquoted(name.decode(codec)) for name in names if name not in (b"public", b"PUBLIC")]


def _report(job: DatabaseJob, role: str, statements: Sequence[bytes]) -> None:
    job.find(
        "PM4010",
        Level.WARNING,
        f"role {role}",
        f"It does not exist on the target, so {len(statements)} grants to it or by it were left out.",
        why="Applications that log in as this role will miss rights.",
        fix="Create the role on the target, then run the script there.",
        fix_sql="\n".join(statement.decode(job.codec, errors="replace") for statement in statements),
        phase="constraints",
    )
