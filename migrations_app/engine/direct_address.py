"""What to type to reach PostgreSQL itself and not a connection pooler before it."""

from __future__ import annotations


def where_to_connect(port: int, *, server_port: int) -> str:
    """Say what to type instead of a pooler's address; ``server_port`` is what PostgreSQL behind it listens on."""
    if port == server_port:
        return f"Type the host name of PostgreSQL itself (no -pooler or .proxy- in it), with the port it has: {port}."
    return (
        f"Type port {server_port} instead of {port}: PostgreSQL behind the pooler listens on it. If the pooler has a "
        "machine of its own, type the host name of PostgreSQL's machine too."
    )
