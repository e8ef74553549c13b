"""The reference of rules in docs/ is what the rules say of themselves."""

from __future__ import annotations

from pathlib import Path

from migrations_app.engine.validation.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"


def test_the_reference_is_up_to_date() -> None:
    """If not: python -m migrations_app.engine.validation.reference > docs/validation.md"""
    assert PAGE.read_text(encoding="utf-8") == reference()
