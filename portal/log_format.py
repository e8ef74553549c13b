"""How a log line looks, and the last net under a password on its way into one."""

from __future__ import annotations

import logging
import re

CREDENTIALS = re.compile(
    r"(?P<key>password\s*[=:]\s*)(?:'(?:[^'\\]|\\.)*'|[^\s,;&'\")]+)|(?P<url>://[^\s:/@]*:)[^\s@/]+@", re.IGNORECASE
)


def redact(line: str) -> str:
    """Replace what follows ``password=`` and what stands between ``://user:`` and ``@``."""
    return CREDENTIALS.sub(lambda found: f"{found['key']}***" if found["key"] else f"{found['url']}***@", line)


class LineFormatter(logging.Formatter):
    """One line per record, tracebacks below it, credentials replaced."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text without credentials."""
        return redact(super().format(record))
