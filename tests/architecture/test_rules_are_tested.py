"""Every code has a test that makes it fire and one that shows it silent; a code without them fails here, by number.

Counted are calls that fail when they are not true. Firing is ``fires(findings, "PM1234")`` or ``only(…)``. Silent is
``assert is_silent(findings, "PM1234", …)`` or ``assert not of_code(findings, "PM1234")``, or that the healthy pairs of
``tests/engine/test_validation_healthy.py`` are not told of it. A code in a variable does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from migrations_app.engine.validation import DATABASE_RULES, SERVER_RULES
from migrations_app.engine.validation.code import all_codes
from tests.engine import test_validation_healthy as healthy

ENGINE = Path(__file__).parents[1] / "engine"
VALIDATING = "tests.engine.validating"
CODES = {code.number for code in all_codes()} | {
    code.number for rule in [*SERVER_RULES, *DATABASE_RULES] for code in rule.codes
}


def _tests() -> Iterator[tuple[ast.FunctionDef, set[str]]]:
    """Yield every test that is always run, with the helpers that its module takes from ``validating.py``."""
    for path in sorted(ENGINE.glob("test_*.py")):
        module = ast.parse(path.read_text())
        imports = [node for node in module.body if isinstance(node, ast.ImportFrom) and node.module == VALIDATING]
        helpers = {name.name for node in imports for name in node.names if name.asname is None}
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not _may_be_left_out(node):
                yield node, helpers


def _may_be_left_out(test: ast.FunctionDef) -> bool:
    return any(word in ast.unparse(decorator) for decorator in test.decorator_list for word in ("skip", "xfail"))


def _named(node: ast.AST, *names: str) -> list[str]:
    """Return the codes that a call of one of these helpers names in letters."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
        return []
    words = [argument.value for argument in node.args[1:] if isinstance(argument, ast.Constant)]
    return [word for word in words if isinstance(word, str)]


def _silent(node: ast.AST, helpers: set[str]) -> list[str]:
    if not isinstance(node, ast.Assert):
        return []
    if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
        return _named(node.test.operand, *({"of_code"} & helpers))
    return _named(node.test, *({"is_silent"} & helpers))


def firing() -> set[str]:
    """The codes that tests make fire."""
    return {
        code
        for test, helpers in _tests()
        for node in ast.walk(test)
        for code in _named(node, *({"fires", "only"} & helpers))
    }


def silent() -> set[str]:
    """The codes that tests show silent, on healthy pairs or one by one."""
    one_by_one = {code for test, helpers in _tests() for node in ast.walk(test) for code in _silent(node, helpers)}
    return one_by_one | (CODES - healthy.INTENDED.keys())


def test_every_code_has_a_test_that_makes_it_fire() -> None:
    assert sorted(CODES - firing()) == []


def test_every_code_has_a_test_that_shows_it_silent() -> None:
    assert sorted(CODES - silent()) == []


def test_what_healthy_pairs_may_be_told_is_known_and_has_a_reason() -> None:
    intended = healthy.INTENDED | healthy.SHOWN_BY_DEMO
    assert intended.keys() <= CODES
    assert all(len(reason.split()) >= 3 or code in healthy.SHOWN_BY_DEMO for code, reason in intended.items())


def test_the_healthy_pairs_are_asserted_in_both_modes() -> None:
    module = ast.parse((ENGINE / "test_validation_healthy.py").read_text())
    tests = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    asserted = [test for test in tests if "assert unintended(" in ast.unparse(test) and not _may_be_left_out(test)]
    assert len(asserted) == 2
    assert all("list(MigrationMode)" in ast.unparse(test.decorator_list[0]) for test in asserted)


def test_a_code_that_is_only_mentioned_does_not_count() -> None:
    mention = ast.parse("def test(): assert {'PM1001'} <= {f.code for f in found}\nof_code(found, 'PM1001')")
    assert not [code for node in ast.walk(mention) for code in _named(node, "fires", "only")]
    assert not [code for node in ast.walk(mention) for code in _silent(node, {"of_code", "is_silent"})]
