"""The steps of a cutover, in their order; the time line on the page."""

from __future__ import annotations

from enum import StrEnum


class CutoverStep(StrEnum):
    """Each step before ``OPEN`` has an undo. The downtime begins with ``FENCE`` and ends with ``OPEN``."""

    READINESS = "readiness"
    FENCE = "fence"
    DRAIN = "drain"
    TABLES = "tables"
    SEQUENCES = "sequences"
    LARGE_OBJECTS = "large_objects"
    VIEWS = "views"
    VERIFY = "verify"
    REVERSE = "reverse"
    OPEN = "open"
    UNDO = "undo"


class CutoverResult(StrEnum):
    """How a cutover or a rehearsal ended."""

    DONE = "done"
    UNDONE = "undone"
    REHEARSED = "rehearsed"
