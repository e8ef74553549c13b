"""What to type instead of a pooler's address, in the words of the provider, who knows the host."""

from __future__ import annotations

from migrations_app.engine.direct_address import where_to_connect
from migrations_app.engine.providers.provider import Provider


def way_around_pooler(provider: Provider, host: str, *, port: int, server_port: int) -> str:
    """Return where PostgreSQL itself is; ``server_port`` is what it listens on behind the pooler."""
    kind = provider.endpoint_kind(host, port)
    return kind.problem if kind and kind.is_pooled else where_to_connect(port, server_port=server_port)
