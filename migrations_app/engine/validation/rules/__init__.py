"""One module for each family of rules; importing this package registers them all, in the order of the page."""

from __future__ import annotations

from migrations_app.engine.validation.rules import (
    versions,
)

__all__ = [
    "versions",
]
