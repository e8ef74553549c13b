"""docs/settings.md lists what the code reads, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"(PORTAL_[A-Z_]+|DATABASE_URL|Q_CLUSTER_NAME|SSL_CERT_FILE)")
# What the launcher hands to its own children is no setting.
INTERNAL = {"PORTAL_LAUNCHED_AS"}


def names_read() -> set[str]:
    files = [file for top in ("portal", "migrations_app") for file in (CHECKOUT / top).rglob("*.py")]
    return {name for file in files for name in names_in(ast.parse(file.read_text(encoding="utf-8")))} - INTERNAL


def names_in(tree: ast.AST) -> Iterator[str]:
    """Yield every string that is a setting's name and nothing else, however it is read."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if NAME.fullmatch(text):
                yield text


def names_in_table() -> set[str]:
    rows = re.findall(r"^\| `([A-Z_]+)`", (CHECKOUT / "docs/settings.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows))
    return set(rows)


def test_every_setting_that_is_read_is_in_the_table() -> None:
    assert names_read() - names_in_table() == set()


def test_every_setting_in_the_table_is_read() -> None:
    assert names_in_table() - names_read() == set()


def test_the_example_names_only_settings_of_the_table() -> None:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    named = {name.removesuffix("_FILE") for name in re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)}
    assert named - names_in_table() - {"PORTAL_ENCRYPTION_KEY"} == set()
