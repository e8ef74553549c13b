"""Conventions worth having are guarded here, with a reason beside each exemption."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source_code import CHECKOUT, Source, sources

ENGINE = CHECKOUT / "migrations_app" / "engine"
LONGEST_FILE_LINES = 400
VAGUE_NAMES = ("utils", "util", "helpers", "helper", "misc", "common", "manager", "managers", "stuff")
EXECUTING = ("execute", "executemany", "copy", "stream", "raw", "RawSQL")
# Path -> why it may be longer.
MAY_BE_LONGER: dict[str, str] = {}
MAY_PASS_OVER: dict[str, str] = {}
MAY_ASSEMBLE_SQL = {
    "migrations_app/engine/postgres/queries/__init__.py": "it puts a file's name before that file's text, both ours",
}


def test_no_file_is_longer_than_400_lines() -> None:
    files = [file for file in sources() if str(file.path) not in MAY_BE_LONGER]
    too_long = [f"{file.path}: {file.line_count} lines" for file in files if file.line_count > LONGEST_FILE_LINES]
    assert not too_long


def test_a_file_is_named_after_its_topic() -> None:
    assert not [str(file.path) for file in sources() if file.path.stem in VAGUE_NAMES]


def test_every_file_that_says_anything_postpones_annotations() -> None:
    """A file with nothing but its docstring has no annotations to postpone."""
    files = [file for file in sources() if file.tree.body[bool(ast.get_docstring(file.tree)) :]]
    missing = [str(file.path) for file in files if "from __future__ import annotations" not in file.text]
    assert not missing


def test_every_module_says_what_it_is_for() -> None:
    files = [file for file in sources() if file.tree.body]
    assert not [str(file.path) for file in files if not ast.get_docstring(file.tree)]


def test_no_error_is_passed_over_in_silence() -> None:
    found = [
        f"{file.path}:{node.lineno}"
        for file in sources()
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ExceptHandler) and _does_nothing(node.body) and str(file.path) not in MAY_PASS_OVER
    ]
    assert not found


def _does_nothing(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(each, ast.Pass) or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for each in body
    )


def test_every_function_of_the_product_is_annotated() -> None:
    found = [
        f"{file.path}:{node.lineno} {node.name}"
        for file in sources("migrations_app", "portal", "benchmarks")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is None
    ]
    assert not found


def test_no_sql_is_put_together_from_pieces_of_text() -> None:
    """Identifiers and values go through psycopg's ``sql`` or parameters, so that no name can be code."""
    files = [file for file in sources("migrations_app", "portal") if str(file.path) not in MAY_ASSEMBLE_SQL]
    found = [f"{file.path}:{line}" for file in files for line in _assembled_sql(file)]
    assert not found


def _assembled_sql(file: Source) -> Iterator[int]:
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call) or not node.args or _called_name(node.func) not in (*EXECUTING, "SQL"):
            continue
        if _is_assembled(node.args[0]):
            yield node.lineno


def _called_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_assembled(argument: ast.expr) -> bool:
    """An f-string, ``"…" % …`` or ``"…".format(…)``; ``sql.SQL("…").format(…)`` is the right way."""
    if isinstance(argument, ast.JoinedStr):
        return True
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Mod | ast.Add):
        return any(_is_text(side) for side in (argument.left, argument.right))
    return (
        isinstance(argument, ast.Call)
        and isinstance(argument.func, ast.Attribute)
        and argument.func.attr == "format"
        and _is_text(argument.func.value)
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_sql_files_begin_with_a_sentence_that_says_what_they_ask() -> None:

    found = [
        path for package in ("migrations_app", "portal", "benchmarks") for path in (CHECKOUT / package).rglob("*.sql")
    ]
    assert not [str(path) for path in found if not path.read_text().startswith("-- ")]


def test_every_exemption_still_names_a_file() -> None:
    named = [*MAY_BE_LONGER, *MAY_PASS_OVER, *MAY_ASSEMBLE_SQL]
    assert not [path for path in named if not (CHECKOUT / path).is_file()]


def test_findings_made_while_moving_have_numbers_of_their_own() -> None:
    """PM4###; the others belong to validation, so that a code means one thing."""
    literal = re.compile(r'"(PM\d{4})"')
    validation = {
        number for path in (ENGINE / "validation").rglob("*.py") for number in literal.findall(path.read_text())
    }
    moving = {
        number
        for path in ENGINE.rglob("*.py")
        if "validation" not in path.relative_to(ENGINE).parts
        for number in literal.findall(path.read_text())
    }
    assert moving and all(number.startswith("PM4") for number in moving), moving
    assert not [number for number in validation if number.startswith("PM4")]
