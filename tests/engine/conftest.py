"""Two servers and a database between them, for tests that move one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def pair(servers: ServerPool) -> tuple[RunningServer, RunningServer]:
    """Return the source (17) and the target (18)."""
    return servers.get(17), servers.get(18)


@pytest.fixture
def database(pair: tuple[RunningServer, RunningServer]) -> Iterator[str]:
    """Create an empty database on the source; it is dropped on both servers at the end."""
    source, target = pair
    with source.fresh_database() as name:
        yield name
        target.drop_database(name)
