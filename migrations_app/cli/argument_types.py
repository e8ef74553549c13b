"""What the arguments' texts mean: sizes, times, pairs of databases, names of tables."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path

from django.utils import timezone

from migrations_app.services.server_address import InvalidAddress, ServerAddress, read_server_address

UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
NAME = r'(?:"(?:[^"]|"")+"|[^".]+)'


def size(text: str) -> int:
    """Read ``512MB`` or ``1.5 GiB`` as bytes; units are powers of 1024, as in PostgreSQL."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower().replace("ib", "b"))
    if not found or found[2] not in UNITS:
        raise ArgumentTypeError(f"{text!r} is not a size; write it as 512MB or 20GB.")
    return int(float(found[1]) * UNITS[found[2]])


def moment(text: str) -> datetime:
    """Read an ISO time that lies ahead; without a zone it is in the portal's time zone."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time; write it as 2026-11-30T22:00 or …T22:00Z.") from None
    when = when if when.tzinfo else timezone.make_aware(when)
    if when <= timezone.now():
        raise ArgumentTypeError(f"{text} is in the past.")
    return when


def server(text: str) -> ServerAddress:
    """Read ``host[:port][@user]``."""
    try:
        return read_server_address(text)
    except InvalidAddress as error:
        raise ArgumentTypeError(f"not a server address: {error} {error.hint}") from None


def database(text: str) -> tuple[str, str]:
    r"""Read ``source`` or ``source=target``; ``\=`` stands for an equals sign in a name."""
    parts = [part.replace("\\=", "=") for part in re.split(r"(?<!\\)=", text)]
    if len(parts) > 2 or not all(parts):
        raise ArgumentTypeError(f"{text!r} is not a database; write it as sales or sales=sales_new.")
    return parts[0], parts[-1]


def table(text: str) -> tuple[str, str]:
    """Read ``schema.table``; a name that holds a dot stands in double quotes."""
    found = re.fullmatch(f"({NAME})\\.({NAME})", text)
    if not found:
        raise ArgumentTypeError(f'{text!r} is not a table; write it as schema.table or "my.schema"."my table".')
    return _unquoted(found[1]), _unquoted(found[2])


def readable_file(text: str) -> Path:
    """A file that exists and can be read."""
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ArgumentTypeError(f"{text} cannot be read: {error.strerror}.") from None
    return path


def jobs(text: str) -> int:
    """A number of jobs from 1 to 64."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to 64.")
    return int(text)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
