"""Read a server's address as people write it: ``host:port@user``, as the Azure CLI has it, with any part left out."""

from __future__ import annotations

import re
from dataclasses import dataclass

PATTERN = re.compile(r"(?P<host>\[[^\]\s]+\]|[^\s:@\[\]]+)(?::(?P<port>[^@]*))?(?:@(?P<user>.+))?")


class InvalidAddress(ValueError):
    """The text is no server address; ``hint`` says how one looks.

    The text is never quoted: it might be a URL with a password.
    """

    hint = "Write host:port@user, for example db.example.com:5432@postgres; an IPv6 address stands in [brackets]."


@dataclass(frozen=True)
class ServerAddress:
    """The parts that were given; None where one was left out. The user may hold further ``@`` signs."""

    host: str | None = None
    port: int | None = None
    user: str | None = None

    @property
    def host_and_port(self) -> str:
        """``host:port`` with PostgreSQL's own port where none was given; an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host
        return f"{host}:{self.port or 5432}"


def read_server_address(text: str) -> ServerAddress:
    """Return the parts of ``host[:port][@user]``. Raises ``InvalidAddress``."""
    found = PATTERN.fullmatch(text.strip())
    if not found:
        raise InvalidAddress("it does not have the form host:port@user.")
    return ServerAddress(host=found["host"].strip("[]"), port=_port(found["port"]), user=found["user"])


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise InvalidAddress("its port is not a number from 1 to 65535.")
    return int(text)
