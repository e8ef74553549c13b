"""docs/command-line.md says what the commands say."""

from __future__ import annotations

from pathlib import Path

from migrations_app.cli.reference import command_parser, reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"


def test_the_reference_is_up_to_date() -> None:
    remedy = "run: python -m migrations_app.cli.reference > docs/command-line.md"
    assert PAGE.read_text(encoding="utf-8") == reference(command_parser()), remedy


def test_every_argument_has_a_help_text() -> None:
    rows = [line for line in reference(command_parser()).splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [row for row in rows if row.endswith("|  |")]
