"""Write the reference of all rules: ``python -m migrations_app.engine.validation.reference > docs/validation.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from migrations_app.engine.validation import DATABASE_RULES, SERVER_RULES
from migrations_app.engine.validation.code import all_codes
from migrations_app.engine.validation.rule import Rule

INTRODUCTION = """\
# Validation

Before a migration, and at its start, the portal checks whether it can succeed. Each rule below looks at both servers or
at one source database; nothing on either side is changed. A rule returns findings: what it saw, why that matters,
and what to do, as a script where SQL does it.

| Level | Meaning |
|---|---|
| Failed | The migration cannot succeed until this is mended; it does not start. |
| CouldNotCheck | The rule could not run, for want of a right or of time. It is never shown as passed. |
| Warning | The migration runs, but something will be missing or different, by name. |
| Info | Good to know. |

Numbers 603000 to 603413 are those of Microsoft's migration service where it has such a rule; `PM` numbers are the
portal's own, `PM4` numbers those of findings made while the data moves, which are mended on the target. The level of a
finding may be milder than the code's usual one where the case is. *Mended on* is the server on which a fix is made and
its script runs; it is empty where that is another place, such as the wizard, or for you to choose.

This page is generated: `python -m migrations_app.engine.validation.reference > docs/validation.md`.
"""


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [
            INTRODUCTION,
            *_rules("Rules about the two servers", SERVER_RULES),
            *_rules("Rules about each source database", DATABASE_RULES),
            *_codes(),
        ]
    )


def _rules(title: str, rules: Sequence[Rule[Any]]) -> Iterable[str]:
    yield f"## {title}\n"
    yield "| Rule | What it checks | Codes |"
    yield "|---|---|---|"
    for rule in rules:
        yield f"| {rule.name} | {rule.summary} | {', '.join(code.number for code in rule.codes)} |"
    yield ""


def _codes() -> Iterable[str]:
    yield "## Codes\n"
    yield "| Code | Level | Mended on | Finding | Why it matters |"
    yield "|---|---|---|---|---|"
    for code in all_codes():
        yield f"| {code.number} | {code.level} | {code.side or ''} | {code.title} | {code.why} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(reference())
