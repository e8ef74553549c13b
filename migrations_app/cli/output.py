"""Write to the terminal: results to the standard output, everything else to the standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from migrations_app.cli.exits import CommandFailed

PIPED_WIDTH = 160


class Output:
    """The two streams of a command. ``as_json``: the standard output holds one JSON value and nothing else."""

    def __init__(self, *, stdout: IO[str], stderr: IO[str], as_json: bool, no_color: bool) -> None:
        self.as_json = as_json
        self.stdout = stdout
        self.console = _console(stdout, no_color=no_color)
        self.errors = _console(stderr, no_color=no_color)

    def json(self, value: Any) -> None:
        """Write one JSON value to the standard output."""
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def line(self, text: str) -> None:
        """Write a line of the result; names in it are never taken for markup."""
        self.console.print(escape(text), soft_wrap=True)

    def aside(self, text: str) -> None:
        """Write a line beside the result, to the standard error."""
        self.errors.print(escape(text), soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """Write a table; ``right`` names the columns of numbers."""
        table = Table(box=SIMPLE, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    def failure(self, error: CommandFailed) -> None:
        """Say what is, what to do, and what the server said."""
        self.errors.print(f"[bold red]{escape(error.message)}[/]", soft_wrap=True)
        if error.hint:
            self.aside(error.hint)
        if error.server_message:
            self.aside(f"The server said: {error.server_message}")


def _console(stream: IO[str], *, no_color: bool) -> Console:
    console = Console(file=stream, no_color=no_color or None, highlight=False)
    return console if console.is_terminal else Console(file=stream, no_color=True, highlight=False, width=PIPED_WIDTH)
