"""The project's own Python files, parsed; what the other modules here ask about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("migrations_app", "portal", "benchmarks", "tests")


@dataclass(frozen=True)
class Source:
    """A file: its path within the checkout, its dotted name, its text and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """``migrations_app.engine.plan``."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def line_count(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    def imports(self) -> Iterator[str]:
        """Every module and name that is imported, anywhere in the file, as a dotted name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    """Return the files of the packages, Django's schema migrations left out."""
    found = (path for package in packages or PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py")))
    return tuple(_source(path) for path in found if "migrations_app/migrations" not in path.as_posix())


def belongs_to(name: str, *packages: str) -> bool:
    """Tell whether the dotted ``name`` is one of ``packages`` or lies in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path=path.relative_to(CHECKOUT), text=text, tree=ast.parse(text))
