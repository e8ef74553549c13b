"""The documents say what is: every link leads somewhere, every setting and command exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.architecture.source_code import CHECKOUT, sources

PAGES = (CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md")))
# [text](target) outside of code; the title after the target, if any, is left out.
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"\b(?:PORTAL_[A-Z_]+|DATABASE_URL)\b")
RUN = re.compile(r"\./run (\w+)")
MANAGE = re.compile(r"(?:\./run manage|manage\.py) ([a-z_]+)(?: ([a-z-]+))?")
# Name -> why people need not know it.
INTERNAL = {
    "PORTAL_LAUNCHED_AS": "the launcher tells its own processes what they are",
}
FORBIDDEN_WORDS = re.compile(r"\b(please|successfully|oops|simply)\b|!(?![=\[\"(])", re.IGNORECASE)


def _ids(pages: tuple[Path, ...]) -> list[str]:
    return [str(page.relative_to(CHECKOUT)) for page in pages]


def _prose(page: Path) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page, made from its headings as code hosts make them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [target for target in LINK.findall(_prose(page)) if not _resolves(page, target)]
    assert not broken


def _resolves(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    path, _, anchor = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    return linked.exists() and (not anchor or anchor in _anchors(linked))


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_pages_are_written_in_our_words(page: Path) -> None:
    """Sentence case, no exclamation marks, no "please"; a page says what is and what to do."""
    assert not [found.group(0) for found in FORBIDDEN_WORDS.finditer(_prose(page))]


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [CHECKOUT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        linked = {(page.parent / target.partition("#")[0]).resolve() for target in LINK.findall(_prose(page))}
        waiting += [path for path in linked if path.suffix == ".md" and path.exists() and path not in seen]
    assert not [str(page) for page in PAGES if page not in seen and page.name != "CHANGELOG.md"]


def test_every_setting_that_is_read_is_documented() -> None:
    documented = set(SETTING.findall((CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")))
    missing = {name for name in _settings_read() if name not in documented}
    assert not missing - set(INTERNAL)


def test_every_setting_that_is_documented_is_read() -> None:
    read = _settings_read()
    named = {name for page in PAGES for name in SETTING.findall(page.read_text(encoding="utf-8"))}
    assert not {name for name in named if name not in read and name.removesuffix("_FILE") not in read}


def _settings_read() -> set[str]:
    """Names of settings that stand as texts in the product's code, the run script aside."""
    return {name for file in sources("portal", "migrations_app") for name in _setting_texts(file.tree)}


def _setting_texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SETTING.fullmatch(node.value):
            yield node.value


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_every_command_in_the_documents_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = set(re.findall(r"^    ([a-z| ]+)\)$", (CHECKOUT / "run").read_text(), re.MULTILINE))
    run_commands = {word.strip() for group in known for word in group.split("|")}
    assert not {command for command in RUN.findall(text) if command not in run_commands}
    assert not [words for words in MANAGE.findall(text) if not _is_command(*words)]


def _is_command(name: str, subcommand: str) -> bool:
    if name not in get_commands():
        return False
    if name != "migration" or not subcommand:
        return True
    parser = load_command_class("migrations_app", "migration").create_parser("manage.py", "migration")
    return any(subcommand in (action.choices or ()) for action in parser._actions if action.dest == "subcommand")
