"""A finding: something a person should know, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Microsoft's validation levels; ``UNKNOWN`` is a check that could not run and is never green."""

    FAILED = "Failed"
    WARNING = "Warning"
    INFO = "Info"
    UNKNOWN = "CouldNotCheck"


class FindingSide(StrEnum):
    """The server on which a finding is mended: where its script runs.

    ``NONE`` is another place (the wizard, the network), or one of the two as the person decides.
    """

    SOURCE = "source"
    TARGET = "target"
    BOTH = "both"
    NONE = ""


class ScriptUse(StrEnum):
    """When a fix's script runs; one that is a CHOICE ends, drops or changes what a person has to decide about."""

    NOW = ""
    AFTER = "after"
    CHOICE = "choice"


ACCEPTABLE = (Level.WARNING, Level.UNKNOWN)  # what a person may accept as it is; what fails is mended instead


@dataclass(frozen=True)
class Finding:
    """One thing seen on a server, a database or an object.

    ``code`` is stable (Microsoft's 603000-603413 where one exists, else ``PM####``), ``subject`` names the object,
    ``saw`` says what is, ``why`` why it matters, ``fix`` what to do in words, ``fix_sql`` the same as a script.
    ``statement`` and ``server_message`` hold what a server refused, and its own words.
    ``database_id`` is empty for a finding about a server. ``side`` tells on which server to mend it,
    ``script_use`` when its script runs, and ``script_database`` in which database, where that is not its own.
    """

    code: str
    level: Level
    subject: str
    saw: str
    why: str = ""
    fix: str = ""
    fix_sql: str = ""
    statement: str = ""
    server_message: str = ""
    database_id: str = ""
    phase: str = ""
    side: FindingSide = FindingSide.NONE
    script_use: ScriptUse = ScriptUse.NOW
    script_database: str = ""
