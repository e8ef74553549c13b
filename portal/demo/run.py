"""``./run demo``: start everything, migrate a sample database, show that it arrived."""

from __future__ import annotations

from portal.launcher import up
from portal.launcher.console import say
from portal.places import Places


def demo(places: Places, *, size: str) -> int:
    """Return 0 only if the migration succeeded and source and target are identical."""
    from portal.demo.servers import start_sample_servers

    up.start(places)
    say("Starting two sample servers ...")
    source, target = start_sample_servers(places)
    say(f"  source: {source.title}")
    say(f"  target: {target.title}")
    return 1
