"""Read the portal's settings from the environment. docs/settings.md lists every name."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off", "")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def text(name: str, *, default: str = "") -> str:
    """Return the variable, or what the file named by ``<name>_FILE`` holds, or ``default``.

    An empty variable counts as not set: compose files and unit files pass on ``NAME=`` for what nobody chose.
    """
    return os.environ.get(name, "").strip() or file(f"{name}_FILE") or default


def file(name: str) -> str:
    """Return the content of the file that the variable names; empty where it is not set."""
    named = os.environ.get(name)
    try:
        return Path(named).read_text(encoding="utf-8").strip() if named else ""
    except OSError as error:
        raise ImproperlyConfigured(f"{name} names {named}, which cannot be read: {error.strerror}.") from error


def flag(name: str, *, default: bool = False) -> bool:
    """Return the variable as yes or no; raises ``ImproperlyConfigured`` for any other word."""
    word = text(name, default="1" if default else "0").lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ImproperlyConfigured(f"{name} is {word!r}; set it to 1 or 0.")
    return word in TRUE_WORDS


def number(name: str, *, default: int, least: int = 1) -> int:
    """Return the variable as a whole number of at least ``least``."""
    word = text(name, default=str(default))
    if not word.isascii() or not word.isdigit() or int(word) < least:
        raise ImproperlyConfigured(f"{name} is {word!r}; set it to a whole number of at least {least}.")
    return int(word)


def names(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """Return the variable as a list; commas, spaces and line ends separate."""
    return text(name).replace(",", " ").split() or list(default)


def networks(name: str) -> list[Network]:
    """Return the variable as a list of networks such as ``10.0.0.0/8``; single addresses are allowed."""
    try:
        return [ipaddress.ip_network(word) for word in names(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}. Write networks as 10.0.0.0/8, separated by commas.") from error


def path(name: str, *, default: Path) -> Path:
    """Return the variable as an absolute path."""
    return Path(text(name, default=str(default))).expanduser().absolute()


def bind_address(name: str, *, default: str) -> tuple[str, int]:
    """Return the variable, ``host:port``, as host and port."""
    host, _, port = text(name, default=default).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"{name} is not an address; write it as 127.0.0.1:8000 or [::]:8000.")
    return host, int(port)


def load_dotenv(file: Path) -> None:
    """Take ``NAME=value`` lines of ``file`` into the environment, where the name is not set yet."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name.isidentifier():
            os.environ.setdefault(name, value.strip().strip("\"'"))
