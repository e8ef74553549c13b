"""What a subcommand says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """What a subcommand does: one line for the list, and a paragraph for its own help."""

    name: str
    summary: str
    description: str
